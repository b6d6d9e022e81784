/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The control sockets of vhost-user after the lock-down. Descriptors must be
 * passed there, which takes four calls of the host that the filter does not
 * let through: a ring of io_uring makes them, and the host's kernel holds it to
 * these four. They are rare: a connection that comes, is agreed on, or ends.
 */
#ifndef RT_CONTROL_H
#define RT_CONTROL_H

struct msghdr;

enum { RT_CONTROL_FDS_MAX = 32 };

/* Make the ring. Start-up only. Returns 0 or -errno. */
int rt_control_start(void);

/* The ring's descriptor; -1 when no control socket needs one. */
int rt_control_ring_fd(void);

/*
 * The numbers that descriptors of a peer will have, at the time of the
 * lock-down: whatever is free then, from below. Start-up only.
 */
void rt_control_start_numbers(int numbers[RT_CONTROL_FDS_MAX]);

/* As the host's calls of these names, without ever waiting. They return -errno. */
long rt_control_sendmsg(int socket, const struct msghdr *msg);
long rt_control_recvmsg(int socket, struct msghdr *msg);
long rt_control_accept(int socket);
long rt_control_close(int fd);

#endif /* RT_CONTROL_H */
