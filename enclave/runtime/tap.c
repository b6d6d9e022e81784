// SPDX-License-Identifier: GPL-2.0-only
/*
 * net_rkt_tap, data path: a DPDK driver for an open tap with vnet headers.
 *
 * One writev or readv moves one frame, of up to 64 KiB when it is a TCP
 * super-frame: the host's stack segments and sums nothing that stays on this
 * machine. DPDK's own net_tap has no IFF_VNET_HDR and so cuts and sums all in
 * software.
 *
 * Frames to send carry the checksum of the pseudo header as virtio and Linux
 * have it (with the length, in super-frames too).
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

#include "hostcall.h"
#include "tap_queue.h"
#include "vnet_hdr.h"

/* ---- receive ---- */

/* Give every place of @q's scatter list an mbuf. */
static bool tap_refill(struct tap_rxq *q)
{
	for (unsigned int i = 0; i < q->segs; i++) {
		struct rte_mbuf *m;

		if (q->spare[i])
			continue;
		m = rte_pktmbuf_alloc(q->pool[i]);
		if (unlikely(!m)) {
			q->no_mbuf++;
			return false;
		}
		m->data_off = q->offset[i];
		q->spare[i] = m;
		q->iov[i + 1].iov_base = rte_pktmbuf_mtod(m, void *);
		q->iov[i + 1].iov_len = q->room[i];
	}
	return true;
}

/* Detach the mbufs that hold the @len bytes just read. */
static struct rte_mbuf *tap_take(struct tap_rxq *q, uint32_t len)
{
	struct rte_mbuf *head = q->spare[0], *last = NULL;
	unsigned int i;

	head->pkt_len = len;
	head->port = q->port;
	for (i = 0; len; i++) {
		struct rte_mbuf *m = q->spare[i];
		uint32_t n = RTE_MIN(len, (uint32_t)q->room[i]);

		m->data_len = (uint16_t)n;
		len -= n;
		if (last)
			last->next = m;
		last = m;
		q->spare[i] = NULL;
	}
	head->nb_segs = (uint16_t)i;
	return head;
}

/* The @len bytes just read as an mbuf; NULL when they are no good frame. */
static struct rte_mbuf *tap_accept(struct tap_rxq *q, long len)
{
	struct virtio_net_hdr hdr = q->host_hdr.hdr;
	struct rte_mbuf *m;

	len -= (long)sizeof(q->host_hdr);
	if (len < RTE_ETHER_HDR_LEN || len > TAP_FRAME_MAX)
		return NULL;
	m = tap_take(q, (uint32_t)len);
	if (vnet_hdr_parse(m, &hdr)) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	return m;
}

uint16_t tap_rx_burst(void *queue, struct rte_mbuf **mbufs, uint16_t n)
{
	struct tap_rxq *q = queue;
	uint16_t got = 0;

	while (got < n && tap_refill(q)) {
		struct rte_mbuf *m;
		long len;

		len = hostcall_readv(q->fd, q->iov, q->segs + 1);
		q->reads++;
		if (len == -EINTR)
			continue;
		if (len < 0) {
			q->empty++;
			break;
		}
		m = tap_accept(q, len);
		if (unlikely(!m)) {
			q->errors++;
			continue;
		}
		q->packets++;
		q->bytes += m->pkt_len;
		mbufs[got++] = m;
	}
	return got;
}

/* ---- send ---- */

static long tap_send(struct tap_txq *q, struct rte_mbuf *m)
{
	struct virtio_net_hdr_mrg_rxbuf hdr = { 0 };
	struct iovec iov[1 + TAP_TX_SEGS];
	int count = 1;
	long ret;

	if (m->nb_segs > TAP_TX_SEGS)
		return -EMSGSIZE;
	vnet_hdr_fill(m, &hdr.hdr);
	iov[0].iov_base = &hdr;
	iov[0].iov_len = sizeof(hdr);
	for (struct rte_mbuf *seg = m; seg; seg = seg->next) {
		iov[count].iov_base = rte_pktmbuf_mtod(seg, void *);
		iov[count++].iov_len = seg->data_len;
	}
	do {
		ret = hostcall_writev(q->fd, iov, count);
		q->writes++;
	} while (ret == -EINTR);
	return ret;
}

/*
 * What the host has no room for stays with the caller. What it refuses (the
 * tap is down, say) is lost, as on a wire.
 */
uint16_t tap_tx_burst(void *queue, struct rte_mbuf **mbufs, uint16_t n)
{
	struct tap_txq *q = queue;
	uint16_t sent;

	for (sent = 0; sent < n; sent++) {
		long ret = tap_send(q, mbufs[sent]);

		if (ret == -EAGAIN) {
			q->full++;
			break;
		}
		if (unlikely(ret < 0)) {
			q->errors++;
			continue;
		}
		q->packets++;
		q->bytes += mbufs[sent]->pkt_len;
	}
	if (sent)
		rte_pktmbuf_free_bulk(mbufs, sent);
	return sent;
}
