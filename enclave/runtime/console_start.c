// SPDX-License-Identifier: GPL-2.0-only
/* Finds out at start-up what the host's standard descriptors are. */
#define _GNU_SOURCE
#include "console.h"
#include "launch.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A descriptor that is closed would be some disk's or socket's number later. */
static void fill_closed(int fd)
{
	if (fcntl(fd, F_GETFD) < 0)
		open("/dev/null", O_RDWR);
}

/*
 * O_NONBLOCK on the descriptor we were given would change it for the user's
 * shell too, as both share one open file. Pipes and terminals can be opened
 * again; where that is not allowed (another user's terminal), and for sockets,
 * rt_console_read() and _write() ask poll() first.
 */
static void start_stream(struct rt_console_stream *stream, int fd)
{
	static const int access[3] = { O_RDONLY, O_WRONLY, O_WRONLY };
	char path[32];
	struct stat st;
	int own;

	*stream = (struct rt_console_stream){ .fd = fd };
	if (fstat(fd, &st))
		return;
	if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)) {
		stream->always_ready = true;
		return;
	}
	if (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode))
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, access[fd] | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (own < 0)
		return;
	stream->fd = own;
	stream->nonblocking = true;
}

/*
 * The inner terminal does the editing, the echo and the signals from keys; the
 * host's passes bytes on. In the background this stops the process, as it does
 * any other program that wants the terminal.
 */
static void start_raw(void)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &rt_console.saved))
		return;
	raw = rt_console.saved;
	cfmakeraw(&raw);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	rt_console.raw = !tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
}

void rt_console_start(const struct rt_launch *launch)
{
	for (int fd = 0; fd < 3; fd++)
		fill_closed(fd);
	for (int fd = 0; fd < 3; fd++)
		start_stream(&rt_console.streams[fd], fd);
	signal(SIGPIPE, SIG_IGN);
	rt_console.has_terminal = launch->tty && isatty(STDIN_FILENO) &&
				  isatty(STDOUT_FILENO);
	rt_console.error_on_terminal = rt_console.has_terminal &&
				       isatty(STDERR_FILENO);
	if (launch->tty && !rt_console.has_terminal) {
		fputs("rkt-io: launch record: tty: standard input and output are no terminal; start enclaves with rkt-io-run\n",
		      stderr);
		exit(LAUNCH_STATUS_FAILED);
	}
	if (rt_console.has_terminal)
		start_raw();
}
