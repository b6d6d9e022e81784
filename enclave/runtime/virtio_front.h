/* SPDX-License-Identifier: GPL-2.0-only */
/* The front end's half of two split virtqueues: the driver's, and its defence. */
#ifndef RT_VIRTIO_FRONT_H
#define RT_VIRTIO_FRONT_H

#include <stdint.h>

#include "virtio_link.h"
#include "virtqueue.h"

struct rte_mbuf;
struct rte_mempool;

enum { FRONT_RING = 256 };

struct front_queue {
	struct virtio_link *link;
	struct rte_mempool *pool;
	uint16_t port;
	struct virtqueue vq;
	bool armed;
	uint16_t kicked_at;	/* host_used->idx at the last kick */
	uint64_t kick_tsc;	/* and when that was; 0: never */
	int kick, call;		/* eventfds, the same for every back end */
	struct virtqueue_slot slot[FRONT_RING];	/* owners are mbufs */
	uint64_t kicks, full, dropped;
};

struct front {
	struct virtio_link link;	/* first: roles get a pointer to it */
	struct front_queue queue[VIRTIO_RINGS];
};

extern const struct virtio_role front_role;

/* Take back every mbuf and begin anew; the other end must be gone. */
void front_queue_reset(struct front_queue *q);

/* Give the other end all the receive buffers that there is room for. */
void front_rx_fill(struct front_queue *q);

uint16_t front_rx_burst(void *queue, struct rte_mbuf **mbufs, uint16_t n);
uint16_t front_tx_burst(void *queue, struct rte_mbuf **mbufs, uint16_t n);

/* The other end shall signal the next frame. */
void front_rx_arm(struct front_queue *q);

#endif /* RT_VIRTIO_FRONT_H */
