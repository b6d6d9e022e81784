/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libos-host, a baseline: the library OS with its tap and disks behind threads
 * of the host. The files hosted*.c share this; docs/baselines.md explains.
 */
#ifndef BASELINE_HOSTED_H
#define BASELINE_HOSTED_H

#include <stdbool.h>
#include <stdint.h>

#include "../runtime/launch.h"

/* A thread of the host that sleeps when it has nothing to do. */
struct hosted_thread {
	int kick_fd;		/* an eventfd */
	uint32_t asleep;
};

extern struct hosted {
	uint64_t cycles;	/* per world switch */
	uint64_t poll_cycles;	/* that a thread looks for work before it sleeps */
	int door_fd;		/* an eventfd: wakes a CPU of the enclave */
	uint64_t crossings;
} hosted;

/* The enclave's side; kernel context: no libc, no TLS. */
void hosted_kick(struct hosted_thread *thread);

/* The host's side. */
void hosted_thread_start(struct hosted_thread *thread, const char *name, void *(*run)(void *),
			 void *argument);
void hosted_sleep(struct hosted_thread *thread, bool (*has_work)(void *), void *argument);
void hosted_wake_enclave(void);

/* Has a device something for the enclave? */
bool hosted_tap_ready(void);
bool hosted_disks_ready(void);

/* Before the devices start. */
void hosted_tap_prepare(void);
void hosted_disks_prepare(unsigned int threads);

#endif /* BASELINE_HOSTED_H */
