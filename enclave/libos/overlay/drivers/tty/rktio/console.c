// SPDX-License-Identifier: GPL-2.0-only
/* Kernel messages go to the host process's standard error. */
#include <linux/console.h>
#include <linux/init.h>
#include <linux/string.h>

#include <asm/runtime.h>
#include <asm/runtime_console.h>

#include "rktio_console.h"

enum { HOST_STDERR = 2, WRITE_TRIES = 64 };

/* A reader that doesn't read must not stop the kernel: then the rest is lost. */
static void console_put(const char *s, unsigned int count)
{
	unsigned int tries = WRITE_TRIES;
	long n;

	while (count) {
		n = rt_console_write(HOST_STDERR, s, count);
		if (n > 0) {
			s += n;
			count -= n;
		} else if (n == -EAGAIN && --tries) {
			rt_yield();
		} else {
			return;
		}
	}
}

/* A terminal in raw mode does not return the carriage by itself. */
static void console_put_lines(const char *s, unsigned int count)
{
	const char *end;

	while ((end = memchr(s, '\n', count))) {
		console_put(s, end - s);
		console_put("\r\n", 2);
		count -= end + 1 - s;
		s = end + 1;
	}
	console_put(s, count);
}

static void console_write(struct console *console, const char *s,
			  unsigned int count)
{
	if (rt_console_error_on_terminal())
		console_put_lines(s, count);
	else
		console_put(s, count);
}

/* /dev/console is the terminal. */
static struct tty_driver *console_tty(struct console *console, int *index)
{
	*index = 0;
	return rktio_terminal_driver();
}

static struct console libos_console = {
	.name	= "libos",
	.write	= console_write,
	.device	= console_tty,
	.flags	= CON_PRINTBUFFER,
	.index	= -1,
};

static int __init console_register(void)
{
	register_console(&libos_console);
	return 0;
}
console_initcall(console_register);
