// SPDX-License-Identifier: GPL-2.0-only
/* Every system call that the enclave makes after its start; abi/hostcall.h explains them. */
#include <sys/syscall.h>
#include <sys/uio.h>

#include "../../abi/hostcall.h"
#include "hostcall.h"

/* Only what the table lists has a name here. */
enum {
#define X(name, when, purpose, lie) HOSTCALL_##name = SYS_##name,
	HOSTCALLS(X)
#undef X
};

enum { AT_POSITION = -1 };	/* of preadv2 and pwritev2: as readv and writev */

unsigned long hostcall_count;

static long call6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 asm("r10") = d;
	register long r8 asm("r8") = e;
	register long r9 asm("r9") = f;
	long ret;

	hostcall_count++;
	asm volatile("syscall"
		     : "=a" (ret)
		     : "a" (nr), "D" (a), "S" (b), "d" (c), "r" (r10), "r" (r8), "r" (r9)
		     : "rcx", "r11", "memory");
	return ret;
}

static long call3(long nr, long a, long b, long c)
{
	return call6(nr, a, b, c, 0, 0, 0);
}

long hostcall_mmap(unsigned long addr, unsigned long bytes, int prot, int flags, int fd, unsigned long offset)
{
	return call6(HOSTCALL_mmap, addr, bytes, prot, flags, fd, offset);
}

long hostcall_munmap(unsigned long addr, unsigned long bytes)
{
	return call3(HOSTCALL_munmap, addr, bytes, 0);
}

long hostcall_mprotect(unsigned long addr, unsigned long bytes, int prot)
{
	return call3(HOSTCALL_mprotect, addr, bytes, prot);
}

long hostcall_ppoll(struct pollfd *fds, unsigned int count, const struct timespec *timeout)
{
	return call6(HOSTCALL_ppoll, (long)fds, count, (long)timeout, 0, 0, 0);
}

long hostcall_tgkill(int process, int thread, int sig)
{
	return call3(HOSTCALL_tgkill, process, thread, sig);
}

long hostcall_sched_yield(void)
{
	return call3(HOSTCALL_sched_yield, 0, 0, 0);
}

long hostcall_io_uring_enter(int fd, unsigned int to_submit, unsigned int min_complete, unsigned int flags)
{
	return call6(HOSTCALL_io_uring_enter, fd, to_submit, min_complete, flags, 0, 0);
}

long hostcall_preadv(int fd, const struct iovec *iov, int count, long offset)
{
	return call6(HOSTCALL_preadv2, fd, (long)iov, count, offset, 0, 0);
}

long hostcall_pwritev(int fd, const struct iovec *iov, int count, long offset)
{
	return call6(HOSTCALL_pwritev2, fd, (long)iov, count, offset, 0, 0);
}

long hostcall_readv(int fd, const struct iovec *iov, int count)
{
	return hostcall_preadv(fd, iov, count, AT_POSITION);
}

long hostcall_writev(int fd, const struct iovec *iov, int count)
{
	return hostcall_pwritev(fd, iov, count, AT_POSITION);
}

long hostcall_read(int fd, void *buf, unsigned long bytes)
{
	struct iovec one = { buf, bytes };

	return hostcall_readv(fd, &one, 1);
}

long hostcall_write(int fd, const void *buf, unsigned long bytes)
{
	struct iovec one = { (void *)buf, bytes };

	return hostcall_writev(fd, &one, 1);
}

long hostcall_fdatasync(int fd)
{
	return call3(HOSTCALL_fdatasync, fd, 0, 0);
}

long hostcall_ioctl(int fd, unsigned long request, void *arg)
{
	return call3(HOSTCALL_ioctl, fd, request, (long)arg);
}

void hostcall_exit_group(int code)
{
	for (;;)
		call3(HOSTCALL_exit_group, code, 0, 0);
}
