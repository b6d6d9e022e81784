// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads and writes the host's standard descriptors for the library kernel,
 * without ever waiting. Called in kernel context: no libc, no SIMD, no TLS.
 */
#include "console.h"
#include "hostcall.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <poll.h>
#include <time.h>

/* What a pipe that is ready for output takes whole: PIPE_BUF. */
enum { CHUNK_BYTES = 4096, ERRNO_MAX = 4095 };

struct rt_console rt_console;

static unsigned int poll_now(int fd, unsigned int wanted)
{
	const struct timespec now = { 0 };
	struct pollfd host = { .fd = fd, .events = wanted };
	long n;

	do {
		n = hostcall_ppoll(&host, 1, &now);
	} while (n == -EINTR);
	if (n == 0)
		return 0;
	if (n != 1 || host.revents & POLLNVAL)
		return RT_CONSOLE_ERR | RT_CONSOLE_HUP;
	return host.revents & (wanted | RT_CONSOLE_ERR | RT_CONSOLE_HUP);
}

unsigned int rt_console_poll(int fd)
{
	const struct rt_console_stream *stream = &rt_console.streams[fd];
	unsigned int wanted = fd ? RT_CONSOLE_OUT : RT_CONSOLE_IN;

	return stream->always_ready ? wanted : poll_now(stream->fd, wanted);
}

/*
 * Whether a call may be made now: a descriptor that could block is asked first.
 * @bytes becomes what it takes without blocking.
 */
static bool may_call(const struct rt_console_stream *stream,
		     unsigned int wanted, unsigned long *bytes)
{
	if (stream->nonblocking || stream->always_ready)
		return true;
	if (*bytes > CHUNK_BYTES)
		*bytes = CHUNK_BYTES;
	return poll_now(stream->fd, wanted);
}

/* The host can return anything: only a count within @bytes or an errno passes. */
static long checked(long untrusted, unsigned long bytes)
{
	if (untrusted >= 0 ? (unsigned long)untrusted > bytes :
			     untrusted < -ERRNO_MAX)
		return -EIO;
	return untrusted;
}

long rt_console_read(int fd, void *buf, unsigned long bytes)
{
	const struct rt_console_stream *stream = &rt_console.streams[fd];
	long n;

	if (!may_call(stream, RT_CONSOLE_IN, &bytes))
		return -EAGAIN;
	do {
		n = checked(hostcall_read(stream->fd, buf, bytes), bytes);
	} while (n == -EINTR);
	return n;
}

long rt_console_write(int fd, const void *buf, unsigned long bytes)
{
	const struct rt_console_stream *stream = &rt_console.streams[fd];
	long n;

	if (!may_call(stream, RT_CONSOLE_OUT, &bytes))
		return -EAGAIN;
	do {
		n = checked(hostcall_write(stream->fd, buf, bytes), bytes);
	} while (n == -EINTR);
	return n ? n : -EAGAIN;
}

void rt_console_write_all(int fd, const char *text, unsigned long bytes)
{
	struct pollfd host = { .fd = rt_console.streams[fd].fd, .events = POLLOUT };
	long n;

	while (bytes) {
		n = rt_console_write(fd, text, bytes);
		if (n == -EAGAIN) {
			hostcall_ppoll(&host, 1, NULL);
			continue;
		}
		if (n < 0)
			return;
		text += n;
		bytes -= n;
	}
}

void rt_console_wait(int wanted)
{
	/* A file is ready at any time: it must not keep a CPU from sleeping. */
	if (rt_console.streams[0].always_ready)
		return;
	if (wanted)
		rt_wait_add(rt_console.streams[0].fd);
	else
		rt_wait_del(rt_console.streams[0].fd);
}

int rt_console_has_terminal(void)
{
	return rt_console.has_terminal;
}

int rt_console_error_on_terminal(void)
{
	return rt_console.error_on_terminal;
}

void rt_console_size(unsigned short *rows, unsigned short *columns)
{
	struct {
		unsigned short rows, columns, pixels_x, pixels_y;
	} host;			/* struct winsize */

	*rows = 0;
	*columns = 0;
	if (!rt_console.has_terminal ||
	    hostcall_ioctl(rt_console.streams[0].fd, TIOCGWINSZ, &host))
		return;
	*rows = host.rows;
	*columns = host.columns;
}

/*
 * tcsetattr() takes glibc's struct termios apart; its first members are the
 * kernel's structure but for the size of c_cc, so build that here.
 */
void rt_console_restore(void)
{
	struct {
		unsigned int c_iflag, c_oflag, c_cflag, c_lflag;
		unsigned char c_line;
		unsigned char c_cc[19];
	} host;

	if (!rt_console.raw)
		return;
	rt_console.raw = false;
	host.c_iflag = rt_console.saved.c_iflag;
	host.c_oflag = rt_console.saved.c_oflag;
	host.c_cflag = rt_console.saved.c_cflag;
	host.c_lflag = rt_console.saved.c_lflag;
	host.c_line = rt_console.saved.c_line;
	for (unsigned int i = 0; i < sizeof(host.c_cc); i++)
		host.c_cc[i] = rt_console.saved.c_cc[i];
	hostcall_ioctl(rt_console.streams[0].fd, TCSETS, &host);
}
