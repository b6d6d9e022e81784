/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * System calls of PID 1: it has no libc. Each returns what the kernel does,
 * a value or -errno.
 */
#ifndef INIT_SYS_H
#define INIT_SYS_H

#include <asm/unistd.h>
#include <stddef.h>

static inline long sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8),
			   "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

#define sys5(nr, a, b, c, d, e) sys6(nr, (long)(a), (long)(b), (long)(c), \
				     (long)(d), (long)(e), 0)
#define sys4(nr, a, b, c, d) sys5(nr, a, b, c, d, 0)
#define sys3(nr, a, b, c) sys4(nr, a, b, c, 0)
#define sys2(nr, a, b) sys3(nr, a, b, 0)
#define sys1(nr, a) sys2(nr, a, 0)
#define sys0(nr) sys1(nr, 0)

static inline int sys_open(const char *path, int flags, int mode)
{
	return sys3(__NR_open, path, flags, mode);
}

static inline int sys_close(int fd)
{
	return sys1(__NR_close, fd);
}

static inline long sys_read(int fd, void *buf, size_t len)
{
	return sys3(__NR_read, fd, buf, len);
}

static inline long sys_write(int fd, const void *buf, size_t len)
{
	return sys3(__NR_write, fd, buf, len);
}

static inline long sys_pread(int fd, void *buf, size_t len, long offset)
{
	return sys4(__NR_pread64, fd, buf, len, offset);
}

static inline int sys_ioctl(int fd, unsigned long request, void *arg)
{
	return sys3(__NR_ioctl, fd, request, arg);
}

static inline int sys_mkdir(const char *path, int mode)
{
	return sys2(__NR_mkdir, path, mode);
}

static inline int sys_symlink(const char *target, const char *path)
{
	return sys2(__NR_symlink, target, path);
}

static inline int sys_unlink(const char *path)
{
	return sys1(__NR_unlink, path);
}

static inline int sys_mount(const char *source, const char *target,
			    const char *fstype, unsigned long flags,
			    const char *data)
{
	return sys5(__NR_mount, source, target, fstype, flags, data);
}

static inline int sys_umount(const char *target, int flags)
{
	return sys2(__NR_umount2, target, flags);
}

static inline int sys_chdir(const char *path)
{
	return sys1(__NR_chdir, path);
}

static inline int sys_kill(int pid, int sig)
{
	return sys2(__NR_kill, pid, sig);
}

static inline void *sys_mmap(size_t len, int prot, int flags, int fd)
{
	return (void *)sys6(__NR_mmap, 0, len, prot, flags, fd, 0);
}

static inline int sys_munmap(void *addr, size_t len)
{
	return sys2(__NR_munmap, addr, len);
}

__attribute__((noreturn))
static inline void sys_exit(int status)
{
	for (;;)
		sys1(__NR_exit_group, status);
}

#endif /* INIT_SYS_H */
