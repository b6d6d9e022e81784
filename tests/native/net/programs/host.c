// SPDX-License-Identifier: Apache-2.0
/* The host calls that shared-memory ports make; here the C library's will do. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../../../enclave/runtime/control.h"
#include "../../../../enclave/runtime/hostcall.h"

int rt_control_start(void)
{
	return 0;
}

void rt_wait_del(int fd);
void rt_console_write_all(int fd, const char *text, unsigned long bytes);

void rt_console_write_all(int fd, const char *text, unsigned long bytes)
{
	hostcall_write(fd, text, bytes);
}

void rt_wait_del(int fd)
{
	(void)fd;
}

static long result(long ret)
{
	return ret < 0 ? -errno : ret;
}

long hostcall_mmap(unsigned long addr, unsigned long bytes, int prot, int flags, int fd,
		   unsigned long offset)
{
	void *ret = mmap((void *)addr, bytes, prot, flags, fd, (off_t)offset);

	return ret == MAP_FAILED ? -errno : (long)ret;
}

long hostcall_munmap(unsigned long addr, unsigned long bytes)
{
	return result(munmap((void *)addr, bytes));
}

long hostcall_ppoll(struct pollfd *fds, unsigned int count, const struct timespec *timeout)
{
	return result(ppoll(fds, count, timeout, NULL));
}

long hostcall_read(int fd, void *buf, unsigned long bytes)
{
	return result(read(fd, buf, bytes));
}

long hostcall_write(int fd, const void *buf, unsigned long bytes)
{
	return result(write(fd, buf, bytes));
}

long rt_control_sendmsg(int fd, const struct msghdr *msg)
{
	return result(sendmsg(fd, msg, MSG_NOSIGNAL));
}

long rt_control_recvmsg(int fd, struct msghdr *msg)
{
	return result(recvmsg(fd, msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC));
}

long rt_control_accept(int fd)
{
	return result(accept4(fd, NULL, NULL, SOCK_CLOEXEC));
}

long hostcall_sched_yield(void)
{
	return result(sched_yield());
}

long rt_control_close(int fd)
{
	return result(close(fd));
}
