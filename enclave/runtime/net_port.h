/* SPDX-License-Identifier: GPL-2.0-only */
/* The state of the network port, between its configuration and its data path. */
#ifndef RT_NET_PORT_H
#define RT_NET_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "../libos/overlay/arch/libos/include/asm/runtime_net.h"

struct rte_mbuf;
struct rte_mempool;

enum {
	RT_NET_SMALL_BYTES = 2048,	/* a frame of MTU 1500, or the headers */
	RT_NET_LARGE_BYTES = 16384,
	RT_NET_MTU_MAX = 65521,
};

struct rt_net_txq {
	/* What the device had no room for: [next, count) */
	struct rte_mbuf *mbuf[RT_NET_BURST];
	unsigned int next;
	unsigned int count;
	uint64_t packets, bytes, dropped, crossings;
};

struct rt_net_rxq {
	/* [0, next) are with the kernel, [next, count) not yet */
	struct rte_mbuf *mbuf[RT_NET_BURST];
	unsigned int next;
	unsigned int count;
	uint64_t packets, bytes, dropped, crossings;
};

struct rt_net_queue {
	struct rt_net_txq tx;
	struct rt_net_rxq rx;
};

struct rt_net_port {
	uint16_t id;
	uint64_t tx_offloads;
	uint64_t rx_offloads;
	struct rte_mempool *small;
	struct rte_mempool *large;
	struct rte_mempool *pointers;	/* of mbufs without a buffer */
	/* A burst has been taken when the device returns: it may read our memory. */
	bool points;
	uint16_t queues;
	struct rt_net_queue queue[RT_NET_QUEUES_MAX];
};

extern struct rt_net_port rt_net_port;

#endif /* RT_NET_PORT_H */
