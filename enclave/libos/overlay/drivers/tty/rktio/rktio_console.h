/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the host console share. */
#ifndef RKTIO_CONSOLE_H
#define RKTIO_CONSOLE_H

#include <linux/compiler.h>
#include <linux/jiffies.h>
#include <linux/types.h>

struct tty_driver;

/* terminal.c: the driver of /dev/hvc0, NULL until it is registered. */
struct tty_driver *rktio_terminal_driver(void);

/*
 * How often a CPU that doesn't sleep asks the host for input: once per jiffy,
 * as asking is a host call, and at once after a sleep that input may have
 * ended.
 */
struct rktio_pace {
	unsigned long last;
	bool slept;
};

static inline bool rktio_pace_due(struct rktio_pace *pace)
{
	if (!READ_ONCE(pace->slept) && READ_ONCE(pace->last) == jiffies)
		return false;
	WRITE_ONCE(pace->slept, false);
	WRITE_ONCE(pace->last, jiffies);
	return true;
}

static inline void rktio_pace_sleep(struct rktio_pace *pace)
{
	WRITE_ONCE(pace->slept, true);
}

#endif
