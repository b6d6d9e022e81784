// SPDX-License-Identifier: GPL-2.0-only
/*
 * A world switch: half of its cycles on the way out, a system call of the
 * host, the other half on the way back. What the signal of a trapped call has
 * cost already is taken off, so that such a call costs as much as another
 * wherever a world switch is the dearer of both.
 */
#include "program.h"

static inline uint64_t tsc(void)
{
	uint32_t low, high;

	asm volatile("rdtsc" : "=a" (low), "=d" (high));
	return (uint64_t)high << 32 | low;
}

void spin(uint64_t cycles)
{
	uint64_t start;

	if (!cycles)
		return;
	start = tsc();
	while (tsc() - start < cycles)
		;
}

long cross_with(struct thread *self, const struct frame *frame, const long arg[6])
{
	uint64_t cycles = state->cycles, half;
	long ret;

	if (frame->trapped)
		cycles -= cycles < state->trap_cycles ? cycles : state->trap_cycles;
	half = cycles / 2;
	self->crossings++;
	spin(half);
	ret = host_call(frame->nr, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
	spin(cycles - half);
	return ret;
}

long cross(struct thread *self, const struct frame *frame)
{
	return cross_with(self, frame, frame->arg);
}
