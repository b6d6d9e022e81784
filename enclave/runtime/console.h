/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host's standard descriptors and its terminal. asm/runtime_console.h has
 * what the library kernel calls; this is the runtime's own part.
 */
#ifndef RT_CONSOLE_H
#define RT_CONSOLE_H

#include <stdbool.h>
#include <termios.h>

#include "../libos/overlay/arch/libos/include/asm/runtime.h"
#include "../libos/overlay/arch/libos/include/asm/runtime_console.h"

struct rt_launch;

/* One of descriptors 0 to 2 as it is used after start-up. */
struct rt_console_stream {
	int fd;
	/* Its open file is ours alone and has O_NONBLOCK. */
	bool nonblocking;
	/* A regular file or the like: never has anything to wait for. */
	bool always_ready;
};

struct rt_console {
	struct rt_console_stream streams[3];
	bool has_terminal;
	bool error_on_terminal;
	bool raw;			/* @saved must be put back */
	struct termios saved;
};

extern struct rt_console rt_console;

/*
 * Start-up, with glibc: fill closed descriptors with /dev/null, ignore
 * SIGPIPE, find out what each descriptor is and, with tty=1, set the terminal
 * to raw mode.
 */
void rt_console_start(const struct rt_launch *launch);

/*
 * Put the terminal back as it was. On every way out of the process; raw system
 * calls only, so signal handlers may call it, more than once too.
 */
void rt_console_restore(void);

/* At the end: wait for whoever reads until all of it is written, or can't be. */
void rt_console_write_all(int fd, const char *text, unsigned long bytes);

#endif /* RT_CONSOLE_H */
