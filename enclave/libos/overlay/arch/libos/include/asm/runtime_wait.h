/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who watches the descriptors while CPUs sleep. One does: were all of them to
 * wait for a frame, each frame would wake them all.
 */
#ifndef _ASM_RUNTIME_WAIT_H
#define _ASM_RUNTIME_WAIT_H

/* @fd becoming readable ends the sleep of @cpu, whoever watches the others. */
extern void rt_wait_add_own(unsigned int cpu, int fd);

/*
 * From a CPU that has been at work for a tick: if it was the one that watched,
 * a CPU that sleeps shall watch now.
 */
extern void rt_wait_hand_over(void);

#endif /* _ASM_RUNTIME_WAIT_H */
