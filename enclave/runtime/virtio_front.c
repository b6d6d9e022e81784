// SPDX-License-Identifier: GPL-2.0-only
/* The front end of vhost-user: agree on features, share the DMA region, hand over the rings. */
#include <errno.h>
#include <linux/virtio_config.h>
#include <stddef.h>

#include "dma.h"
#include "vhost_msg.h"
#include "virtio_front.h"

enum { ANSWER_MS = 3000 };

static struct front *front_of(struct virtio_link *link)
{
	return (struct front *)link;
}

static int tell(struct virtio_link *link, struct vhost_msg *msg, uint32_t size,
		const int *fd)
{
	int err;

	msg->flags |= VHOST_VERSION;
	msg->size = size;
	err = vhost_send(link->socket, msg, fd, fd ? 1 : 0);
	if (err)
		virtio_log(link, "the back end hung up");
	return err;
}

/* The answer to the request just sent: a number. */
static int hear(struct virtio_link *link, uint32_t request, uint64_t *ret)
{
	struct vhost_msg msg;
	struct vhost_fds fds;
	int got = vhost_receive(link->socket, &msg, &fds, ANSWER_MS);

	vhost_close_fds(&fds);
	if (got < 1 || msg.request != request || !(msg.flags & VHOST_FLAG_REPLY) ||
	    msg.size != sizeof(msg.number)) {
		virtio_log(link, "the back end gave no answer to request %u", request);
		return got < 0 ? got : -EPROTO;
	}
	*ret = msg.number;
	return 0;
}

static int ask(struct virtio_link *link, uint32_t request, uint64_t *ret)
{
	struct vhost_msg msg = { .request = request };
	int err = tell(link, &msg, 0, NULL);

	return err ? err : hear(link, request, ret);
}

static int tell_number(struct virtio_link *link, uint32_t request, uint64_t number)
{
	struct vhost_msg msg = { .request = request, .number = number };

	return tell(link, &msg, sizeof(msg.number), NULL);
}

static int tell_state(struct virtio_link *link, uint32_t request, uint32_t index, uint32_t value)
{
	struct vhost_msg msg = { .request = request, .state = { index, value } };

	return tell(link, &msg, sizeof(msg.state), NULL);
}

/* What is sent must be understood; a port's offloads are fixed before anybody connects. */
static int agree(struct virtio_link *link, uint64_t *ret_protocol)
{
	struct vhost_msg owner = { .request = VHOST_SET_OWNER };
	uint64_t features, wanted, protocol = 0;
	int err = tell(link, &owner, 0, NULL);

	if (!err)
		err = ask(link, VHOST_GET_FEATURES, &features);
	if (err)
		return err;
	if (link->needed & ~features) {
		virtio_log(link, "the back end lacks virtio features %#llx; --net ...,csum=off,tso=off does without",
			   (unsigned long long)(link->needed & ~features));
		return -EOPNOTSUPP;
	}
	wanted = link->features & features;
	features &= VHOST_F_PROTOCOL_FEATURES;
	if (features) {
		err = ask(link, VHOST_GET_PROTOCOL_FEATURES, &protocol);
		protocol &= VHOST_PROTOCOL_REPLY_ACK;
		if (!err)
			err = tell_number(link, VHOST_SET_PROTOCOL_FEATURES, protocol);
		if (err)
			return err;
	}
	*ret_protocol = features | protocol;
	return tell_number(link, VHOST_SET_FEATURES, wanted | features);
}

/* The one region; a back end that could not map it says so, where it can. */
static int share_memory(struct virtio_link *link, bool acknowledged)
{
	const struct rt_dma *dma = rt_dma();
	struct vhost_msg msg = {
		.request = VHOST_SET_MEM_TABLE,
		.flags = acknowledged ? VHOST_FLAG_NEED_REPLY : 0,
		.memory = {
			.count = 1,
			.region[0] = {
				.guest_addr = (uintptr_t)dma->base,
				.user_addr = (uintptr_t)dma->base,
				.bytes = dma->bytes,
			},
		},
	};
	uint64_t failed = 0;
	int err = tell(link, &msg, offsetof(struct vhost_msg, memory.region[1]) -
		       offsetof(struct vhost_msg, memory), &dma->fd);

	if (!err && acknowledged)
		err = hear(link, VHOST_SET_MEM_TABLE, &failed);
	if (!err && failed) {
		virtio_log(link, "the back end could not map the DMA region");
		err = -ENOMEM;
	}
	return err;
}

static int tell_fd(struct virtio_link *link, uint32_t request, uint32_t index, int fd)
{
	struct vhost_msg msg = { .request = request, .number = index };

	return tell(link, &msg, sizeof(msg.number), &fd);
}

static int hand_over(struct virtio_link *link, struct front_queue *q, uint32_t index)
{
	struct vhost_msg addr = {
		.request = VHOST_SET_VRING_ADDR,
		.addr = {
			.index = index,
			.desc = (uintptr_t)q->vq.desc,
			.used = (uintptr_t)q->vq.host_used,
			.avail = (uintptr_t)q->vq.avail,
		},
	};
	int err = tell_state(link, VHOST_SET_VRING_NUM, index, FRONT_RING);

	if (!err)
		err = tell_state(link, VHOST_SET_VRING_BASE, index, 0);
	if (!err)
		err = tell(link, &addr, sizeof(addr.addr), NULL);
	if (!err)
		err = tell_fd(link, VHOST_SET_VRING_CALL, index, q->call);
	if (!err)
		err = tell_fd(link, VHOST_SET_VRING_KICK, index, q->kick);
	return err;
}

static int front_connected(struct virtio_link *link)
{
	struct front *front = front_of(link);
	uint64_t protocol = 0;
	int err = agree(link, &protocol);

	if (!err)
		err = share_memory(link, protocol & VHOST_PROTOCOL_REPLY_ACK);
	for (uint32_t i = 0; i < VIRTIO_RINGS && !err; i++) {
		front_queue_reset(&front->queue[i]);
		err = hand_over(link, &front->queue[i], i);
	}
	if (protocol & VHOST_F_PROTOCOL_FEATURES)
		for (uint32_t i = 0; i < VIRTIO_RINGS && !err; i++)
			err = tell_state(link, VHOST_SET_VRING_ENABLE, i, 1);
	if (err)
		return err;
	front_rx_fill(&front->queue[VIRTIO_RX]);
	link->up = true;
	return 0;
}

/* No request of ours is open, so this is the end, or nonsense. */
static int front_readable(struct virtio_link *link)
{
	(void)link;
	return -ECONNRESET;
}

static void front_disconnected(struct virtio_link *link)
{
	struct front *front = front_of(link);

	/* Frames that nobody took are lost, and TCP sends them again. */
	front->queue[VIRTIO_TX].dropped += front->queue[VIRTIO_TX].vq.in_flight;
	for (int i = 0; i < VIRTIO_RINGS; i++)
		front_queue_reset(&front->queue[i]);
}

const struct virtio_role front_role = {
	.connected = front_connected,
	.readable = front_readable,
	.disconnected = front_disconnected,
};
