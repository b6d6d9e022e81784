/* SPDX-License-Identifier: GPL-2.0-only */
/* What the runtime's own files share. */
#ifndef RT_RUNTIME_H
#define RT_RUNTIME_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "../libos/overlay/arch/libos/include/asm/layout.h"
#include "../libos/overlay/arch/libos/include/asm/runtime.h"

/* linux/const.h's, for the address map */
#ifndef _AC
#define _AC(x, suffix) x##suffix
#endif

struct rt_launch;

enum {
	RT_CPUS_MAX = 64,
	RT_TICK_US = 4000,		/* the library kernel's HZ is 250 */
	RT_SIGNAL_TICK = SIGVTALRM,
	RT_SIGNAL_KICK = SIGURG,
	RT_HOST_STACK_BYTES = 256 << 10,
	RT_SIGNAL_STACK_BYTES = 64 << 10,
};

/* One host thread that is a CPU. */
struct rt_cpu {
	int thread;			/* its tid, 0: not started */
	bool asleep;			/* about to call ppoll(), or in it */
	struct timespec timeout;	/* of that call; a signal makes it zero */
};
extern struct rt_cpu rt_cpus[RT_CPUS_MAX];
extern int rt_process;

/* How a CPU sleeps: ppoll(), but for a baseline. */
struct pollfd;
extern long (*rt_wait_call)(struct pollfd *fds, unsigned int count, const struct timespec *timeout);

/* Print one line "rkt-io: ..." and leave with status 125. */
void rt_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* start.c: the end of a stack for what the library kernel calls of the host side */
unsigned long rt_host_stack_start(void);

/* memory.c */
void rt_memory_start(uint64_t bytes);
int rt_memory_fd(void);

/* clock.c, tsc.c */
void rt_clock_start(unsigned long tsc_khz);
unsigned long rt_tsc_khz(void);

/* capture.c: on each thread that is a CPU */
void rt_signals_start(void);
void rt_thread_start(unsigned int cpu);

/* cpus.c: the threads of all CPUs but 0, locked down and waiting */
void rt_cpus_start(unsigned int cpus);
unsigned long rt_fs_base(void);

/* stats.c */
void rt_stats_print(void);
extern bool rt_stats_wanted;

#endif /* RT_RUNTIME_H */
