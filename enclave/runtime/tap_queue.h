/* SPDX-License-Identifier: GPL-2.0-only */
/* The queues of net_rkt_tap, between its data path and its control path. */
#ifndef RT_TAP_QUEUE_H
#define RT_TAP_QUEUE_H

#include <linux/virtio_net.h>
#include <stdint.h>
#include <sys/uio.h>

struct rte_mbuf;
struct rte_mempool;

enum {
	TAP_FRAME_MAX = 65536 + 64,
	TAP_RX_SEGS = 40,	/* 64 KiB even in mbufs of 2 KiB */
	TAP_TX_SEGS = 64,
};

struct tap_rxq {
	int fd;
	uint16_t port;
	uint16_t segs;
	struct virtio_net_hdr_mrg_rxbuf host_hdr;
	/* Where the next frame goes: the header above, then these mbufs. */
	struct iovec iov[1 + TAP_RX_SEGS];
	struct rte_mbuf *spare[TAP_RX_SEGS];
	struct rte_mempool *pool[TAP_RX_SEGS];
	uint16_t offset[TAP_RX_SEGS];
	uint16_t room[TAP_RX_SEGS];
	uint64_t packets, bytes, reads, empty, errors, no_mbuf;
};

struct tap_txq {
	int fd;
	uint64_t packets, bytes, writes, full, errors;
};

/* An ethdev's bursts: @queue is a struct tap_rxq or tap_txq. */
uint16_t tap_rx_burst(void *queue, struct rte_mbuf **mbufs, uint16_t n);
uint16_t tap_tx_burst(void *queue, struct rte_mbuf **mbufs, uint16_t n);

#endif /* RT_TAP_QUEUE_H */
