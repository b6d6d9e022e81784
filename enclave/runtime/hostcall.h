/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The only way out of the enclave: raw system calls of the host that return
 * -errno. No libc, no TLS, no SIMD: callable from any context.
 */
#ifndef RT_HOSTCALL_H
#define RT_HOSTCALL_H

struct iovec;
struct pollfd;
struct timespec;

long hostcall_mmap(unsigned long addr, unsigned long bytes, int prot, int flags, int fd, unsigned long offset);
long hostcall_munmap(unsigned long addr, unsigned long bytes);
long hostcall_mprotect(unsigned long addr, unsigned long bytes, int prot);
long hostcall_ppoll(struct pollfd *fds, unsigned int count, const struct timespec *timeout);
long hostcall_tgkill(int process, int thread, int sig);
long hostcall_sched_yield(void);
long hostcall_io_uring_enter(int fd, unsigned int to_submit, unsigned int min_complete, unsigned int flags);
long hostcall_read(int fd, void *buf, unsigned long bytes);
long hostcall_write(int fd, const void *buf, unsigned long bytes);
long hostcall_readv(int fd, const struct iovec *iov, int count);
long hostcall_writev(int fd, const struct iovec *iov, int count);
long hostcall_preadv(int fd, const struct iovec *iov, int count, long offset);
long hostcall_pwritev(int fd, const struct iovec *iov, int count, long offset);
long hostcall_fdatasync(int fd);
long hostcall_ioctl(int fd, unsigned long request, void *arg);
void hostcall_exit_group(int code) __attribute__((noreturn));

/* How often the host was called, for --stats. */
extern unsigned long hostcall_count;

#endif /* RT_HOSTCALL_H */
