/* SPDX-License-Identifier: GPL-2.0-only */
/* The control channel of vhost-user: messages over a Unix socket, both ends. */
#ifndef RT_VHOST_MSG_H
#define RT_VHOST_MSG_H

#include <stddef.h>
#include <stdint.h>

enum {
	VHOST_REGIONS_MAX = 8,
	VHOST_PAYLOAD_MAX = 512,

	VHOST_VERSION = 1,
	VHOST_FLAG_REPLY = 1 << 2,
	VHOST_FLAG_NEED_REPLY = 1 << 3,
	VHOST_FLAG_MASK = 3,		/* of the version */

	VHOST_VRING_NO_FD = 1 << 8,	/* in number of SET_VRING_KICK and _CALL */
	VHOST_VRING_MASK = 0xff,
};

enum vhost_request {
	VHOST_GET_FEATURES = 1,
	VHOST_SET_FEATURES,
	VHOST_SET_OWNER,
	VHOST_RESET_OWNER,
	VHOST_SET_MEM_TABLE,
	VHOST_SET_LOG_BASE,
	VHOST_SET_LOG_FD,
	VHOST_SET_VRING_NUM,
	VHOST_SET_VRING_ADDR,
	VHOST_SET_VRING_BASE,
	VHOST_GET_VRING_BASE,
	VHOST_SET_VRING_KICK,
	VHOST_SET_VRING_CALL,
	VHOST_SET_VRING_ERR,
	VHOST_GET_PROTOCOL_FEATURES,
	VHOST_SET_PROTOCOL_FEATURES,
	VHOST_GET_QUEUE_NUM,
	VHOST_SET_VRING_ENABLE,
};

#define VHOST_F_PROTOCOL_FEATURES	(1ULL << 30)
#define VHOST_PROTOCOL_REPLY_ACK	(1ULL << 3)

struct vhost_region {
	uint64_t guest_addr, bytes, user_addr, offset;
};

struct vhost_vring_addr {
	uint32_t index, flags;
	uint64_t desc, used, avail, log;
};

/* As on the wire, in the machine's own byte order. */
struct vhost_msg {
	uint32_t request;
	uint32_t flags;
	uint32_t size;		/* of the payload */
	union {
		uint64_t number;
		struct {
			uint32_t index, value;
		} state;
		struct vhost_vring_addr addr;
		struct {
			uint32_t count, padding;
			struct vhost_region region[VHOST_REGIONS_MAX];
		} memory;
		uint8_t bytes[VHOST_PAYLOAD_MAX];
	};
} __attribute__((packed));

/* Descriptors that came with a message; -1 when taken. */
struct vhost_fds {
	int count;
	int fd[VHOST_REGIONS_MAX];
};

/* Send with @count descriptors. Returns 0 or -errno. */
int vhost_send(int socket, const struct vhost_msg *msg, const int *fds, int count);

/*
 * Receive one message within @timeout_ms (0: only what is there). Returns 1, 0
 * when there is none, -ECONNRESET at the end, -EBADMSG when it is malformed.
 * Descriptors that the caller does not take are closed by vhost_close_fds().
 */
int vhost_receive(int socket, struct vhost_msg *msg, struct vhost_fds *fds, int timeout_ms);

void vhost_close_fds(struct vhost_fds *fds);

#endif /* RT_VHOST_MSG_H */
