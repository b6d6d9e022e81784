/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What all processes of one baseline share, in a memfd that the enclave's
 * start makes: how to run, and what was counted.
 */
#ifndef BASELINE_STATE_H
#define BASELINE_STATE_H

#include <stdint.h>

enum { STATE_THREADS = 8192 };
enum { STATE_SYNC, STATE_SWITCHLESS };

/* A call on its way to a worker and back. */
enum { REQUEST_FREE, REQUEST_WAITING, REQUEST_SLEEPING, REQUEST_DONE };
struct request {
	uint32_t state;
	uint32_t worker;	/* its tid while it works on this */
	long nr;
	long arg[6];
	long result;
};

struct thread {
	struct thread *self;	/* at GS:0 */
	uint32_t taken;
	uint32_t shares_memory_only;	/* of vfork's kind: workers have other descriptors */
	uint32_t interrupted;	/* by a handler that ran: 1 restarts calls, 2 does not */
	uint64_t calls;
	uint64_t crossings;
	uint64_t handed_over;
	uint64_t fallbacks;	/* no worker was awake */
	uint64_t sleeps;
	uint64_t traps;
	struct request request;
} __attribute__((aligned(64)));

struct state {
	uint32_t kind;		/* STATE_SYNC, STATE_SWITCHLESS */
	uint32_t io_threads;
	uint64_t cycles;	/* per world switch: out and back */
	uint64_t trap_cycles;	/* what Syscall User Dispatch costs here; 0: not measured yet */
	uint32_t cpus;
	int32_t first_process;
	uint32_t print_stats;
	uint32_t rewritten;	/* sites */
	struct thread thread[STATE_THREADS];
};

#endif /* BASELINE_STATE_H */
