/* SPDX-License-Identifier: Apache-2.0 */
/* The host calls of the disks, for a build without the runtime's own header. */
#ifndef RT_HOSTCALL_H
#define RT_HOSTCALL_H

struct iovec;

long hostcall_io_uring_enter(int fd, unsigned int to_submit,
			     unsigned int min_complete, unsigned int flags);
long hostcall_preadv(int fd, const struct iovec *iov, int count, long offset);
long hostcall_pwritev(int fd, const struct iovec *iov, int count, long offset);
long hostcall_fdatasync(int fd);

#endif /* RT_HOSTCALL_H */
