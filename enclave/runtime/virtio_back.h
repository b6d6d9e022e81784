/* SPDX-License-Identifier: GPL-2.0-only */
/* The back end's half of two split virtqueues: the device's, which the enclave then is. */
#ifndef RT_VIRTIO_BACK_H
#define RT_VIRTIO_BACK_H

#include <linux/virtio_ring.h>
#include <rte_mbuf.h>
#include <stdint.h>

#include "vhost_msg.h"
#include "virtio_link.h"

enum {
	BACK_RING_MAX = 1024,
	BACK_SEGS_MAX = 64,	/* of a frame */
};

/* A piece of the front end's memory, mapped here. */
struct back_region {
	uint64_t guest_addr, user_addr, bytes;
	char *base;
};

struct back_queue {
	struct virtio_link *link;
	struct rte_mempool *pool;
	uint16_t port;
	uint16_t entries;		/* a power of two; 0: not told yet */
	uint16_t avail_next;
	uint16_t used_next;
	uint16_t used_told;		/* used_next as the front end knows it */
	bool enabled;
	bool armed;
	/* In the front end's memory, which it may rewrite at any time. */
	struct vring_desc *peer_desc;
	struct vring_avail *peer_avail;
	struct vring_used *peer_used;
	int kick, call;			/* -1: not given */
	struct rte_mbuf_ext_shared_info shared;
	uint64_t calls, full, dropped;
};

struct back {
	struct virtio_link link;	/* first: roles get a pointer to it */
	bool acknowledged;		/* REPLY_ACK was agreed */
	uint64_t features;
	struct back_region region[VHOST_REGIONS_MAX];
	unsigned int regions;
	struct back_queue queue[VIRTIO_RINGS];
};

extern const struct virtio_role back_role;

/* Our view of [guest_addr, + bytes), or of a user address; NULL outside of all regions. */
void *back_guest(const struct back *back, uint64_t guest_addr, uint64_t bytes);

uint16_t back_rx_burst(void *queue, struct rte_mbuf **mbufs, uint16_t n);
uint16_t back_tx_burst(void *queue, struct rte_mbuf **mbufs, uint16_t n);

/* The front end shall signal the next frame. */
void back_rx_arm(struct back_queue *q);

#endif /* RT_VIRTIO_BACK_H */
