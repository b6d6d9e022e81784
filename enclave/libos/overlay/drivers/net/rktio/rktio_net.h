/* SPDX-License-Identifier: GPL-2.0-only */
/* The state of the network device, shared by its send and receive halves. */
#ifndef RKTIO_NET_H
#define RKTIO_NET_H

#include <linux/netdevice.h>
#include <linux/spinlock.h>
#include <asm/poller.h>
#include <asm/runtime_net.h>

struct rktio_net_queue {
	struct net_device *dev;
	struct napi_struct napi;

	/*
	 * Receive: @burst holds frames from next_frame on. It belongs to NAPI
	 * while that is scheduled, else to whoever holds @rx_lock.
	 */
	spinlock_t rx_lock;
	struct rt_net_burst *rx;
	unsigned int rx_next;
	bool rx_drained;
	bool up;
	struct page_frag frag;

	/* Send: under the lock of the netdev's queue; empty when it is let go. */
	struct rt_net_burst *tx;
	struct sk_buff *tx_skb[RT_NET_BURST];
	bool tx_waiting;
} ____cacheline_aligned_in_smp;

struct rktio_net {
	const struct rt_net_info *info;
	struct net_device *dev;
	struct libos_poller poller;
	bool carrier;
	unsigned int queues;
	struct rktio_net_queue queue[];
};

netdev_tx_t rktio_net_xmit(struct sk_buff *skb, struct net_device *dev);
void rktio_net_tx_retry(struct rktio_net_queue *q);

int rktio_net_napi(struct napi_struct *napi, int budget);
bool rktio_net_look(struct rktio_net_queue *q);

#endif /* RKTIO_NET_H */
