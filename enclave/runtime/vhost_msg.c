// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages of vhost-user. The peer is not trusted: sizes are bounded before
 * anything is read, and a peer that stalls in a message is given up.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "control.h"
#include "hostcall.h"
#include "vhost_msg.h"

enum {
	HEADER_BYTES = offsetof(struct vhost_msg, number),
	STALL_MS = 500,
};

union fd_space {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int) * VHOST_REGIONS_MAX)];
};

int vhost_send(int socket, const struct vhost_msg *msg, const int *fds, int count)
{
	struct iovec iov = { (void *)msg, HEADER_BYTES + msg->size };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };
	union fd_space space = { 0 };
	long ret;

	if (count) {
		header.msg_control = space.bytes;
		header.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
		space.header.cmsg_level = SOL_SOCKET;
		space.header.cmsg_type = SCM_RIGHTS;
		space.header.cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
		memcpy(CMSG_DATA(&space.header), fds, sizeof(int) * (size_t)count);
	}
	do
		ret = rt_control_sendmsg(socket, &header);
	while (ret == -EINTR);
	if (ret < 0)
		return (int)ret;
	return ret == (long)iov.iov_len ? 0 : -ECONNRESET;
}

static int wait_readable(int socket, int timeout_ms)
{
	struct pollfd host_fd = { .fd = socket, .events = POLLIN };
	struct timespec timeout = {
		.tv_sec = timeout_ms / 1000,
		.tv_nsec = timeout_ms % 1000 * 1000000L,
	};
	long ret;

	do
		ret = hostcall_ppoll(&host_fd, 1, &timeout);
	while (ret == -EINTR);
	return (int)ret;
}

static void take_fds(struct msghdr *header, struct vhost_fds *fds)
{
	struct cmsghdr *cmsg;

	for (cmsg = CMSG_FIRSTHDR(header); cmsg; cmsg = CMSG_NXTHDR(header, cmsg)) {
		size_t bytes = cmsg->cmsg_len - CMSG_LEN(0);

		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS ||
		    bytes > sizeof(fds->fd))
			continue;
		memcpy(fds->fd, CMSG_DATA(cmsg), bytes);
		fds->count = (int)(bytes / sizeof(int));
	}
}

/* All of @bytes, or a reason why not. */
static int receive_exactly(int socket, void *to, size_t bytes, struct vhost_fds *fds)
{
	char *at = to;

	while (bytes) {
		union fd_space space;
		struct iovec iov = { at, bytes };
		struct msghdr header = {
			.msg_iov = &iov, .msg_iovlen = 1,
			.msg_control = fds ? space.bytes : NULL,
			.msg_controllen = fds ? sizeof(space) : 0,
		};
		long n = rt_control_recvmsg(socket, &header);

		if (n == -EINTR)
			continue;
		if (n == -EAGAIN && wait_readable(socket, STALL_MS) > 0)
			continue;
		if (n <= 0)
			return -ECONNRESET;
		if (fds && header.msg_controllen)
			take_fds(&header, fds);
		fds = NULL;
		at += n;
		bytes -= (size_t)n;
	}
	return 0;
}

int vhost_receive(int socket, struct vhost_msg *msg, struct vhost_fds *fds, int timeout_ms)
{
	int err;

	memset(msg, 0, sizeof(*msg));
	fds->count = 0;
	if (wait_readable(socket, timeout_ms) <= 0)
		return 0;
	err = receive_exactly(socket, msg, HEADER_BYTES, fds);
	if (err)
		return err;
	if (msg->size > VHOST_PAYLOAD_MAX || (msg->flags & VHOST_FLAG_MASK) != VHOST_VERSION)
		return -EBADMSG;
	err = receive_exactly(socket, msg->bytes, msg->size, NULL);
	return err ? err : 1;
}

void vhost_close_fds(struct vhost_fds *fds)
{
	for (int i = 0; i < fds->count; i++)
		if (fds->fd[i] >= 0)
			rt_control_close(fds->fd[i]);
	fds->count = 0;
}
