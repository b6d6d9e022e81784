// SPDX-License-Identifier: GPL-2.0-only
/* What was counted, in one line on stderr, when the first process ends (--stats). */
#include <sys/syscall.h>

#include "program.h"

struct sums {
	uint64_t calls, crossings, handed_over, fallbacks, sleeps, traps;
};

static struct sums all(void)
{
	struct sums sums = { 0 };

	for (int i = 0; i < STATE_THREADS; i++) {
		const struct thread *thread = &state->thread[i];

		sums.calls += thread->calls;
		sums.crossings += thread->crossings;
		sums.handed_over += thread->handed_over;
		sums.fallbacks += thread->fallbacks;
		sums.sleeps += thread->sleeps;
		sums.traps += thread->traps;
	}
	return sums;
}

void report(void)
{
	struct sums sums = all();
	char line[512], *end = line;

	end = text(end, "rkt-io: baseline ");
	end = text(end, state->kind == STATE_SYNC ? "sync: " : "switchless: ");
	end = text(number(end, sums.calls), " system calls, ");
	end = text(number(end, sums.crossings), " world switches of ");
	end = text(number(end, state->cycles), " cycles, ");
	end = text(number(end, sums.handed_over), " handed over, ");
	end = text(number(end, sums.fallbacks), " fell back, ");
	end = text(number(end, sums.sleeps), " sleeps, ");
	end = text(number(end, sums.traps), " traps of ");
	end = text(number(end, state->trap_cycles), " cycles, ");
	end = text(number(end, state->rewritten), " sites rewritten\n");
	call3(SYS_write, 2, line, end - line);
}
