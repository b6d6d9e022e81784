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
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_net.h>

#include "hostcall.h"
#include "tap_queue.h"

enum {
	TCP_CSUM_OFFSET = 16,
	UDP_CSUM_OFFSET = 6,
};

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

static uint16_t l4_csum_offset(uint32_t ptype)
{
	switch (ptype & RTE_PTYPE_L4_MASK) {
	case RTE_PTYPE_L4_TCP:
		return TCP_CSUM_OFFSET;
	case RTE_PTYPE_L4_UDP:
		return UDP_CSUM_OFFSET;
	default:
		return 0;
	}
}

/* A checksum that no mbuf flag can describe (within a tunnel, say). */
static int tap_finish_csum(struct rte_mbuf *m, uint16_t start, uint16_t offset)
{
	uint32_t field = (uint32_t)start + offset;
	uint16_t sum;

	if (field + sizeof(sum) > m->data_len ||
	    rte_raw_cksum_mbuf(m, start, m->pkt_len - start, &sum))
		return -EINVAL;
	sum = (uint16_t)~sum;
	if (!sum && offset == UDP_CSUM_OFFSET)
		sum = UINT16_MAX;	/* zero would mean: not summed */
	memcpy(rte_pktmbuf_mtod_offset(m, char *, field), &sum, sizeof(sum));
	m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	return 0;
}

static int tap_rx_gso(struct rte_mbuf *m, const struct virtio_net_hdr *hdr,
		      uint32_t ptype)
{
	uint32_t l3 = ptype & RTE_PTYPE_L3_MASK;

	if ((ptype & RTE_PTYPE_L4_MASK) != RTE_PTYPE_L4_TCP || !hdr->gso_size)
		return -EINVAL;
	switch (hdr->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		if (!RTE_ETH_IS_IPV4_HDR(l3))
			return -EINVAL;
		break;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		if (!RTE_ETH_IS_IPV6_HDR(l3))
			return -EINVAL;
		break;
	default:
		return -EINVAL;
	}
	m->ol_flags |= RTE_MBUF_F_RX_LRO;
	m->tso_segsz = hdr->gso_size;
	return 0;
}

static int tap_rx_offload(struct rte_mbuf *m, const struct virtio_net_hdr *hdr)
{
	struct rte_net_hdr_lens lens;
	uint32_t ptype;

	if (!(hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)) {
		if (hdr->gso_type != VIRTIO_NET_HDR_GSO_NONE)
			return -EINVAL;
		if (hdr->flags & VIRTIO_NET_HDR_F_DATA_VALID)
			m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
		return 0;
	}
	if ((uint32_t)hdr->csum_start + hdr->csum_offset + 2 > m->pkt_len)
		return -EINVAL;

	ptype = rte_net_get_ptype(m, &lens, RTE_PTYPE_L2_MASK |
				  RTE_PTYPE_L3_MASK | RTE_PTYPE_L4_MASK);
	m->packet_type = ptype;
	if (!l4_csum_offset(ptype) || l4_csum_offset(ptype) != hdr->csum_offset ||
	    lens.l2_len + lens.l3_len != hdr->csum_start) {
		if (hdr->gso_type != VIRTIO_NET_HDR_GSO_NONE)
			return -EINVAL;
		return tap_finish_csum(m, hdr->csum_start, hdr->csum_offset);
	}
	m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_NONE;
	if (hdr->gso_type == VIRTIO_NET_HDR_GSO_NONE)
		return 0;
	return tap_rx_gso(m, hdr, ptype);
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
	if (tap_rx_offload(m, &hdr)) {
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

static void tap_tx_offload(const struct rte_mbuf *m, struct virtio_net_hdr *hdr)
{
	uint64_t l4 = m->ol_flags & RTE_MBUF_F_TX_L4_MASK;
	bool tso = m->ol_flags & RTE_MBUF_F_TX_TCP_SEG;

	if (!tso && l4 != RTE_MBUF_F_TX_TCP_CKSUM && l4 != RTE_MBUF_F_TX_UDP_CKSUM)
		return;
	hdr->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	hdr->csum_start = (uint16_t)(m->l2_len + m->l3_len);
	hdr->csum_offset = !tso && l4 == RTE_MBUF_F_TX_UDP_CKSUM ?
			   UDP_CSUM_OFFSET : TCP_CSUM_OFFSET;
	if (!tso)
		return;
	hdr->gso_type = m->ol_flags & RTE_MBUF_F_TX_IPV6 ?
			VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
	hdr->gso_size = m->tso_segsz;
	hdr->hdr_len = (uint16_t)(m->l2_len + m->l3_len + m->l4_len);
}

static long tap_send(struct tap_txq *q, struct rte_mbuf *m)
{
	struct virtio_net_hdr_mrg_rxbuf hdr = { 0 };
	struct iovec iov[1 + TAP_TX_SEGS];
	int count = 1;
	long ret;

	if (m->nb_segs > TAP_TX_SEGS)
		return -EMSGSIZE;
	tap_tx_offload(m, &hdr.hdr);
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
