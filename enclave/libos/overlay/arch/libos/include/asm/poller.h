/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_POLLER_H
#define _ASM_LIBOS_POLLER_H
#include <linux/list.h>
#include <linux/types.h>
/*
 * The one poll loop of a CPU serves devices, timers and IPIs: from idle, from
 * the tick and from system calls on their way out.
 */
struct libos_poller {
	struct list_head node;
	const char *name;
	/* Look for work; true if any was found. Hard-irq context, irqs off. */
	bool (*poll)(struct libos_poller *poller);
	/* About to sleep: arm the event; true if work is there. May be NULL. */
	bool (*arm)(struct libos_poller *poller);
};

extern void libos_poller_register(struct libos_poller *poller);
/* All pollers once, as one interrupt; true if any found work. */
extern bool libos_poll_devices(void);
#endif
