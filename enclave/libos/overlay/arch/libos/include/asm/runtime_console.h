/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_RUNTIME_CONSOLE_H
#define _ASM_LIBOS_RUNTIME_CONSOLE_H
/*
 * The host process's standard descriptors, 0 to 2, as the library kernel uses
 * them. None of these blocks, except that a file's write takes as long as it
 * takes; all may be called in any context, with interrupts off.
 */

/* What rt_console_poll() returns: poll(2)'s bits. */
#define RT_CONSOLE_IN	0x01
#define RT_CONSOLE_OUT	0x04
#define RT_CONSOLE_ERR	0x08
#define RT_CONSOLE_HUP	0x10

/* Bytes read, 0 at the end of input, -EAGAIN when there are none yet. */
extern long rt_console_read(int fd, void *buf, unsigned long bytes);
/* Bytes written, at least one; -EAGAIN when the host takes none now. */
extern long rt_console_write(int fd, const void *buf, unsigned long bytes);
/* What would not have to wait now; an error counts as both ERR and HUP. */
extern unsigned int rt_console_poll(int fd);
/* Whether input ends the sleep of an idle CPU. */
extern void rt_console_wait(int wanted);
/* Whether the program gets a terminal: the host's, in raw mode. */
extern int rt_console_has_terminal(void);
/* Whether standard error is that terminal too. */
extern int rt_console_error_on_terminal(void);
/* The terminal's size in characters; 0 by 0 when it has none. */
extern void rt_console_size(unsigned short *rows, unsigned short *columns);

#endif
