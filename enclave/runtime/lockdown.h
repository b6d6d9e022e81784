/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The lock-down: from the start of the program on, the host's kernel kills the
 * process for any call that abi/hostcall.h doesn't list, or that is none of
 * ours by its arguments. docs/boundary.md.
 */
#ifndef RT_LOCKDOWN_H
#define RT_LOCKDOWN_H

struct rt_launch;

/*
 * When every device is open and before the first of the threads is locked
 * down: make the filter that all of them get.
 */
void rt_lockdown_start(const struct rt_launch *launch);

/* Whether there is one: not where the user or the network can do without. */
bool rt_lockdown_wanted(void);

/* Lock the calling thread down, for good; no thread can be made after it. */
void rt_lockdown_start_thread(void);

/* Wait until @count more threads than at the last such call are locked down. */
void rt_lockdown_start_await(unsigned int count);

/* insecure_trap=: make a call that must be the last. Tests only. */
void rt_lockdown_start_trap(const struct rt_launch *launch);

#endif /* RT_LOCKDOWN_H */
