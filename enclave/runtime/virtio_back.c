// SPDX-License-Identifier: GPL-2.0-only
/* The back end of vhost-user: offer features, map the front end's memory, take its rings. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/virtio_config.h>
#include <string.h>
#include <sys/mman.h>

#include "control.h"
#include "dma.h"
#include "hostcall.h"
#include "virtio_back.h"

static struct back *back_of(struct virtio_link *link)
{
	return (struct back *)link;
}

void *back_guest(const struct back *back, uint64_t guest_addr, uint64_t bytes)
{
	for (unsigned int i = 0; i < back->regions; i++) {
		const struct back_region *r = &back->region[i];
		uint64_t offset = guest_addr - r->guest_addr;

		if (offset < r->bytes && bytes <= r->bytes - offset)
			return r->base + offset;
	}
	return NULL;
}

static void *of_user(const struct back *back, uint64_t addr, uint64_t bytes)
{
	for (unsigned int i = 0; i < back->regions; i++) {
		const struct back_region *r = &back->region[i];

		if (addr - r->user_addr < r->bytes)
			return back_guest(back, addr - r->user_addr + r->guest_addr, bytes);
	}
	return NULL;
}

static void forget_queue(struct back_queue *q)
{
	q->enabled = false;
	q->peer_desc = NULL;
	if (q->kick >= 0) {
		rt_wait_del(q->kick);
		rt_control_close(q->kick);
	}
	if (q->call >= 0)
		rt_control_close(q->call);
	q->kick = -1;
	q->call = -1;
}

static void forget_memory(struct back *back)
{
	back->link.up = false;
	for (unsigned int i = 0; i < back->regions; i++) {
		rt_dma_forbid(back->region[i].base);
		hostcall_munmap((unsigned long)back->region[i].base, back->region[i].bytes);
	}
	back->regions = 0;
	for (int i = 0; i < VIRTIO_RINGS; i++)
		back->queue[i].peer_desc = NULL;
}

static int map_region(struct back *back, const struct vhost_region *told, int fd)
{
	struct back_region *r = &back->region[back->regions];
	unsigned long at = RT_DMA_PEER_BASE + back->regions * RT_DMA_PEER_SPAN;
	long base;

	if (!told->bytes || told->bytes > RT_DMA_PEER_SPAN || told->bytes % 4096 ||
	    told->offset % 4096)
		return -EINVAL;
	base = hostcall_mmap(at, told->bytes, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_FIXED, fd, told->offset);
	if (base < 0 && base > -4096)
		return (int)base;
	*r = (struct back_region){ told->guest_addr, told->user_addr, told->bytes, (char *)base };
	back->regions++;
	return rt_dma_allow(r->base, r->bytes);
}

static int set_memory(struct back *back, const struct vhost_msg *msg, struct vhost_fds *fds)
{
	uint32_t count = msg->memory.count;
	int err = 0;

	forget_memory(back);
	if (count > VHOST_REGIONS_MAX || (int)count != fds->count)
		return -EINVAL;
	for (uint32_t i = 0; i < count && !err; i++) {
		struct vhost_region told = msg->memory.region[i];

		err = map_region(back, &told, fds->fd[i]);
	}
	return err;
}

static int set_entries(struct back_queue *q, uint32_t entries)
{
	if (!entries || entries > BACK_RING_MAX || entries & (entries - 1))
		return -EINVAL;
	q->entries = (uint16_t)entries;
	return 0;
}

static int set_addr(struct back *back, struct back_queue *q, struct vhost_vring_addr addr)
{
	uint64_t n = q->entries;

	if (!n || (addr.desc | addr.avail | addr.used) % 4)
		return -EINVAL;
	q->peer_desc = of_user(back, addr.desc, n * sizeof(struct vring_desc));
	q->peer_avail = of_user(back, addr.avail, sizeof(struct vring_avail) + n * 2);
	q->peer_used = of_user(back, addr.used,
			       sizeof(struct vring_used) + n * sizeof(struct vring_used_elem));
	if (!q->peer_desc || !q->peer_avail || !q->peer_used) {
		q->peer_desc = NULL;
		return -EINVAL;
	}
	q->used_next = q->peer_used->idx;
	q->used_told = q->used_next;
	return 0;
}

static int set_fd(int *fd, const struct vhost_msg *msg, struct vhost_fds *fds)
{
	if (msg->number & VHOST_VRING_NO_FD || fds->count != 1)
		return -EINVAL;	/* a front end that only polls can't be woken */
	*fd = fds->fd[0];
	fds->fd[0] = -1;
	return 0;
}

static void come_up(struct back *back)
{
	for (int i = 0; i < VIRTIO_RINGS; i++) {
		struct back_queue *q = &back->queue[i];

		if (!q->enabled || !q->peer_desc || q->kick < 0 || q->call < 0)
			return;
	}
	if (back->link.up)
		return;
	for (int i = 0; i < VIRTIO_RINGS; i++) {
		back->queue[i].peer_used->flags = VRING_USED_F_NO_NOTIFY;
		back->queue[i].armed = false;
	}
	rt_wait_add(back->queue[VIRTIO_TX].kick);
	back->link.up = true;
}

static int reply(struct virtio_link *link, struct vhost_msg *msg, uint32_t size)
{
	msg->flags = VHOST_VERSION | VHOST_FLAG_REPLY;
	msg->size = size;
	return vhost_send(link->socket, msg, NULL, 0);
}

static int reply_number(struct virtio_link *link, struct vhost_msg *msg, uint64_t number)
{
	msg->number = number;
	return reply(link, msg, sizeof(msg->number));
}

static int set_features(struct back *back, uint64_t features)
{
	if (back->link.needed & ~features) {
		virtio_log(&back->link, "the front end lacks virtio features %#llx; --net ...,csum=off,tso=off does without",
			   (unsigned long long)(back->link.needed & ~features));
		return -EOPNOTSUPP;
	}
	back->features = features;
	/* Without the protocol's own features there is no SET_VRING_ENABLE. */
	for (int i = 0; i < VIRTIO_RINGS; i++)
		back->queue[i].enabled = !(features & VHOST_F_PROTOCOL_FEATURES);
	return 0;
}

/* The queue that a message is about; its number stands first in all of them. */
static struct back_queue *queue_of(struct back *back, const struct vhost_msg *msg)
{
	uint32_t index = msg->state.index & VHOST_VRING_MASK;

	return index < VIRTIO_RINGS ? &back->queue[index] : NULL;
}

static int stop_queue(struct back *back, struct back_queue *q, struct vhost_msg *msg)
{
	back->link.up = false;
	forget_queue(q);
	msg->state.value = q->avail_next;
	return reply(&back->link, msg, sizeof(msg->state));
}

static int on_queue(struct back *back, struct vhost_msg *msg, struct vhost_fds *fds)
{
	struct back_queue *q = queue_of(back, msg);

	if (!q)
		return -EINVAL;
	if (back->link.up && msg->request != VHOST_GET_VRING_BASE &&
	    msg->request != VHOST_SET_VRING_ENABLE && msg->request != VHOST_SET_VRING_ERR)
		return -EBUSY;
	switch (msg->request) {
	case VHOST_SET_VRING_NUM:
		q->peer_desc = NULL;
		return set_entries(q, msg->state.value);
	case VHOST_SET_VRING_BASE:
		q->avail_next = (uint16_t)msg->state.value;
		return 0;
	case VHOST_SET_VRING_ADDR:
		return set_addr(back, q, msg->addr);
	case VHOST_SET_VRING_KICK:
		return q->kick < 0 ? set_fd(&q->kick, msg, fds) : -EBUSY;
	case VHOST_SET_VRING_CALL:
		if (q->call >= 0)
			rt_control_close(q->call);
		q->call = -1;
		return set_fd(&q->call, msg, fds);
	case VHOST_SET_VRING_ENABLE:
		q->enabled = msg->state.value;
		back->link.up = back->link.up && q->enabled;
		return 0;
	case VHOST_SET_VRING_ERR:
		return 0;
	case VHOST_GET_VRING_BASE:
		return stop_queue(back, q, msg);
	default:
		return -EOPNOTSUPP;
	}
}

static int on_message(struct back *back, struct vhost_msg *msg, struct vhost_fds *fds)
{
	struct virtio_link *link = &back->link;

	switch (msg->request) {
	case VHOST_GET_FEATURES:
		return reply_number(link, msg, link->features | VHOST_F_PROTOCOL_FEATURES);
	case VHOST_GET_PROTOCOL_FEATURES:
		return reply_number(link, msg, VHOST_PROTOCOL_REPLY_ACK);
	case VHOST_SET_FEATURES:
		return set_features(back, msg->number);
	case VHOST_SET_PROTOCOL_FEATURES:
		back->acknowledged = msg->number & VHOST_PROTOCOL_REPLY_ACK;
		return 0;
	case VHOST_SET_OWNER:
		return 0;
	case VHOST_SET_MEM_TABLE:
		return set_memory(back, msg, fds);
	default:
		return on_queue(back, msg, fds);
	}
}

static int back_readable(struct virtio_link *link)
{
	struct back *back = back_of(link);
	struct vhost_msg msg;
	struct vhost_fds fds;
	bool answer;
	int err = vhost_receive(link->socket, &msg, &fds, 0);

	if (err < 1) {
		vhost_close_fds(&fds);
		return err;
	}
	answer = back->acknowledged && msg.flags & VHOST_FLAG_NEED_REPLY;
	err = on_message(back, &msg, &fds);
	vhost_close_fds(&fds);
	if (answer && !(msg.flags & VHOST_FLAG_REPLY) &&
	    reply_number(link, &msg, err ? 1 : 0))
		return -ECONNRESET;
	if (err)
		virtio_log(link, "request %u of the front end cannot be served (%s)",
			   msg.request, strerror(-err));
	else
		come_up(back);
	return err;
}

static void back_disconnected(struct virtio_link *link)
{
	struct back *back = back_of(link);

	forget_memory(back);
	for (int i = 0; i < VIRTIO_RINGS; i++)
		forget_queue(&back->queue[i]);
}

/* It is the front end that speaks first. */
static int back_connected(struct virtio_link *link)
{
	struct back *back = back_of(link);

	back->acknowledged = false;
	for (int i = 0; i < VIRTIO_RINGS; i++)
		back->queue[i].entries = 0;
	return 0;
}

const struct virtio_role back_role = {
	.connected = back_connected,
	.readable = back_readable,
	.disconnected = back_disconnected,
};
