// SPDX-License-Identifier: GPL-2.0-only
/*
 * The port between the library kernel and one DPDK ethdev: bursts of frames.
 *
 * Sending copies payload from the kernel's private memory into mbufs of the
 * DMA region here; on receiving the kernel copies. What comes from the device
 * is bounded before the kernel sees it.
 */
#include <stdbool.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_net.h>

#include "dma.h"
#include "net.h"
#include "net_port.h"

enum {
	/*
	 * Hand over after this much: a device that sends at once gives the
	 * buffers back while they are still in the CPU's cache.
	 */
	FLUSH_BYTES = 128 << 10,
	POINT_BYTES = 512,	/* smaller frames are copied faster than described */
	TCP_CSUM_OFFSET = 16,
	UDP_CSUM_OFFSET = 6,
};

/* ---- send ---- */

/* Copies the segments of one frame into a chain of mbufs, one after another. */
struct tx_copy {
	struct rte_mbuf *head;
	struct rte_mbuf *last;
	uint32_t room;		/* left in last */
};

static bool tx_extend(struct tx_copy *copy)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(rt_net_port.large);

	if (unlikely(!m))
		return false;
	m->data_off = 0;
	copy->last->next = m;
	copy->last = m;
	copy->head->nb_segs++;
	copy->room = RT_NET_LARGE_BYTES;
	return true;
}

static bool tx_append(struct tx_copy *copy, const struct rt_net_seg *seg)
{
	const char *from = seg->addr;
	uint32_t left = seg->len;

	while (left) {
		struct rte_mbuf *m = copy->last;
		uint32_t n = RTE_MIN(left, copy->room);

		if (!n) {
			if (!tx_extend(copy))
				return false;
			continue;
		}
		memcpy(rte_pktmbuf_mtod_offset(m, char *, m->data_len), from, n);
		m->data_len = (uint16_t)(m->data_len + n);
		copy->head->pkt_len += n;
		copy->room -= n;
		from += n;
		left -= n;
	}
	return true;
}

static void tx_offload(struct rte_mbuf *m, const struct rt_net_offload *o)
{
	if (o->csum != RT_NET_CSUM_PARTIAL)
		return;
	m->l2_len = o->l3_start;
	m->l3_len = (uint16_t)(o->csum_start - o->l3_start);
	m->ol_flags |= o->ipv6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;
	m->ol_flags |= o->csum_offset == UDP_CSUM_OFFSET ?
		       RTE_MBUF_F_TX_UDP_CKSUM : RTE_MBUF_F_TX_TCP_CKSUM;
	if (o->gso == RT_NET_GSO_NONE)
		return;
	m->l4_len = o->l4_len;
	m->tso_segsz = o->gso_bytes;
	m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
	if (!o->ipv6 && rt_net_port.tx_offloads & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM)
		m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
}

static struct rte_mbuf *tx_copy(const struct rt_net_burst *burst,
				const struct rt_net_frame *frame)
{
	struct tx_copy copy = { .room = RT_NET_SMALL_BYTES };

	copy.head = rte_pktmbuf_alloc(rt_net_port.small);
	if (unlikely(!copy.head))
		return NULL;
	copy.last = copy.head;
	for (unsigned int i = 0; i < frame->segs; i++) {
		if (!tx_append(&copy, &burst->seg[frame->first_seg + i])) {
			rte_pktmbuf_free(copy.head);
			return NULL;
		}
	}
	tx_offload(copy.head, &frame->offload);
	return copy.head;
}

/* ---- send without a copy, where the device takes a burst while we wait ---- */

static void pointed_freed(void *addr, void *arg)
{
	(void)addr;
	(void)arg;
}

/* Never freed by an mbuf: the memory is the library kernel's, until we return. */
static struct rte_mbuf_ext_shared_info pointed = { .free_cb = pointed_freed, .refcnt = 1 };

static struct rte_mbuf *tx_point(const char *from, uint16_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(rt_net_port.pointers);

	if (unlikely(!m))
		return NULL;
	rte_mbuf_ext_refcnt_update(&pointed, 1);
	rte_pktmbuf_attach_extbuf(m, (void *)from, (uintptr_t)from, len, &pointed);
	m->data_off = 0;
	m->data_len = len;
	return m;
}

static struct rte_mbuf *tx_point_frame(const struct rt_net_burst *burst,
				       const struct rt_net_frame *frame)
{
	struct rte_mbuf *head = NULL, **next = &head;
	uint16_t segs = 0;

	for (unsigned int i = 0; i < frame->segs; i++) {
		const struct rt_net_seg *seg = &burst->seg[frame->first_seg + i];

		for (uint32_t at = 0; at < seg->len; at += (*next)->data_len, next = &(*next)->next) {
			*next = tx_point((char *)seg->addr + at,
					 (uint16_t)RTE_MIN(seg->len - at, (uint32_t)UINT16_MAX));
			if (unlikely(!*next)) {
				rte_pktmbuf_free(head);
				return NULL;
			}
			segs++;
		}
	}
	if (unlikely(!head))
		return NULL;
	head->nb_segs = segs;
	head->pkt_len = frame->len;
	tx_offload(head, &frame->offload);
	return head;
}

/* What the device had no room for outlives the call, so it needs memory of its own. */
static void tx_own(struct rt_net_txq *q)
{
	unsigned int kept = q->next;

	for (unsigned int i = q->next; i < q->count; i++) {
		struct rte_mbuf *m = q->mbuf[i];

		if (RTE_MBUF_HAS_EXTBUF(m) && m->shinfo == &pointed) {
			m = rte_pktmbuf_copy(q->mbuf[i], rt_net_port.large, 0, UINT32_MAX);
			rte_pktmbuf_free(q->mbuf[i]);
		}
		if (m)
			q->mbuf[kept++] = m;
		else
			q->dropped++;
	}
	q->count = kept;
	if (q->next == q->count)
		q->next = q->count = 0;
}

/* ---- */

/* Give the device what waits; the rest keeps waiting. */
static void tx_flush(struct rt_net_txq *q, uint16_t queue)
{
	while (q->next < q->count) {
		struct rte_mbuf **first = &q->mbuf[q->next];
		uint16_t n = (uint16_t)(q->count - q->next);
		uint16_t good = rte_eth_tx_prepare(rt_net_port.id, queue, first, n);
		uint16_t sent;

		if (unlikely(!good)) {
			rte_pktmbuf_free(*first);
			q->next++;
			q->dropped++;
			continue;
		}
		sent = rte_eth_tx_burst(rt_net_port.id, queue, first, good);
		q->next += sent;
		if (sent < good)
			return;
	}
	q->next = 0;
	q->count = 0;
}

/* Room for one more: the kernel sends nothing while frames wait, but may lie. */
static bool tx_room(struct rt_net_txq *q)
{
	if (q->count < RT_NET_BURST)
		return true;
	memmove(q->mbuf, &q->mbuf[q->next], (q->count - q->next) * sizeof(q->mbuf[0]));
	q->count -= q->next;
	q->next = 0;
	return q->count < RT_NET_BURST;
}

static struct rte_mbuf *tx_frame(const struct rt_net_burst *burst,
				 const struct rt_net_frame *frame)
{
	if (rt_net_port.points && frame->len > POINT_BYTES)
		return tx_point_frame(burst, frame);
	return tx_copy(burst, frame);
}

long rt_net_tx(void *arg)
{
	struct rt_net_burst *burst = arg;
	struct rt_net_txq *q = &rt_net_port.queue[burst->queue].tx;
	uint32_t bytes = 0;

	q->crossings++;
	for (unsigned int i = 0; i < burst->count; i++) {
		const struct rt_net_frame *frame = &burst->frame[i];
		struct rte_mbuf *m = tx_room(q) ? tx_frame(burst, frame) : NULL;

		if (unlikely(!m)) {
			q->dropped++;
			continue;
		}
		q->mbuf[q->count++] = m;
		q->packets++;
		q->bytes += m->pkt_len;
		bytes += m->pkt_len;
		if (bytes >= FLUSH_BYTES) {
			tx_flush(q, burst->queue);
			bytes = 0;
		}
	}
	tx_flush(q, burst->queue);
	if (rt_net_port.points && q->next < q->count)
		tx_own(q);
	burst->waiting = (unsigned short)(q->count - q->next);
	return 0;
}

/* ---- receive ---- */

/* Where TCP or UDP begins, if that is what the frame holds. */
static bool rx_find_l4(const struct rte_mbuf *m, struct rt_net_offload *o)
{
	struct rte_net_hdr_lens lens;
	uint32_t ptype = rte_net_get_ptype(m, &lens, RTE_PTYPE_L2_MASK |
					   RTE_PTYPE_L3_MASK | RTE_PTYPE_L4_MASK);

	switch (ptype & RTE_PTYPE_L4_MASK) {
	case RTE_PTYPE_L4_TCP:
		o->csum_offset = TCP_CSUM_OFFSET;
		o->l4_len = lens.l4_len;
		break;
	case RTE_PTYPE_L4_UDP:
		o->csum_offset = UDP_CSUM_OFFSET;
		break;
	default:
		return false;
	}
	o->ipv6 = !!RTE_ETH_IS_IPV6_HDR(ptype);
	o->l3_start = lens.l2_len;
	o->csum_start = (unsigned short)(lens.l2_len + lens.l3_len);
	return o->csum_start + o->csum_offset + 2u <= m->data_len;
}

static int rx_gso(const struct rte_mbuf *m, struct rt_net_offload *o)
{
	if (o->csum_offset != TCP_CSUM_OFFSET || !m->tso_segsz ||
	    o->l4_len < 20 || o->csum_start + o->l4_len > m->data_len)
		return -1;
	o->gso = o->ipv6 ? RT_NET_GSO_TCPV6 : RT_NET_GSO_TCPV4;
	o->gso_bytes = m->tso_segsz;
	return 0;
}

static int rx_offload(const struct rte_mbuf *m, struct rt_net_offload *o)
{
	uint64_t l4 = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	bool lro = m->ol_flags & RTE_MBUF_F_RX_LRO;
	bool found;

	*o = (struct rt_net_offload){ .csum = RT_NET_CSUM_NONE };
	if (l4 == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
		o->csum = RT_NET_CSUM_VALID;
	if (l4 != RTE_MBUF_F_RX_L4_CKSUM_NONE && !lro)
		return 0;
	/* NONE: verified by other means, but the field is still partial. */
	found = rx_find_l4(m, o);
	if (l4 == RTE_MBUF_F_RX_L4_CKSUM_NONE)
		o->csum = found ? RT_NET_CSUM_PARTIAL : RT_NET_CSUM_VALID;
	if (!lro)
		return 0;
	return found ? rx_gso(m, o) : -1;
}

/* Describe @m to the kernel. A chain that does not add up is refused. */
static int rx_export(struct rt_net_burst *burst, struct rte_mbuf *m)
{
	struct rt_net_frame *frame = &burst->frame[burst->count];
	unsigned int segs = 0;
	uint32_t len = 0;

	frame->first_seg = burst->seg_count;
	for (struct rte_mbuf *seg = m; seg; seg = seg->next) {
		struct rt_net_seg *to = &burst->seg[frame->first_seg + segs];

		if (++segs > m->nb_segs)
			return -1;
		to->addr = rte_pktmbuf_mtod(seg, void *);
		to->len = seg->data_len;
		len += to->len;
		if (!rt_dma_contains(to->addr, to->len))
			return -1;
	}
	if (len != m->pkt_len || len > RT_NET_FRAME_MAX || len < RTE_ETHER_HDR_LEN ||
	    m->data_len < RTE_ETHER_HDR_LEN || rx_offload(m, &frame->offload))
		return -1;
	frame->len = len;
	frame->segs = (unsigned short)segs;
	burst->seg_count = (unsigned short)(burst->seg_count + segs);
	burst->count++;
	return 0;
}

/* Take back what the kernel has copied; true when nothing is left to hand out. */
static bool rx_release(struct rt_net_rxq *q)
{
	if (q->next)
		rte_pktmbuf_free_bulk(q->mbuf, q->next);
	q->count -= q->next;
	memmove(q->mbuf, &q->mbuf[q->next], q->count * sizeof(q->mbuf[0]));
	q->next = 0;
	return !q->count;
}

long rt_net_rx(void *arg)
{
	struct rt_net_burst *burst = arg;
	struct rt_net_rxq *q = &rt_net_port.queue[burst->queue].rx;
	unsigned short asked = RTE_MIN(burst->count, (unsigned short)RT_NET_BURST);
	bool polled;

	q->crossings++;
	polled = rx_release(q);
	if (polled)
		q->count = rte_eth_rx_burst(rt_net_port.id, burst->queue, q->mbuf, asked);
	burst->count = 0;
	burst->seg_count = 0;
	for (; q->next < q->count && q->next < asked; q->next++) {
		struct rte_mbuf *m = q->mbuf[q->next];

		if (burst->seg_count + m->nb_segs > RT_NET_SEGS && burst->count)
			return asked;	/* the rest with the next call */
		if (m->nb_segs > RT_NET_SEGS || rx_export(burst, m)) {
			q->dropped++;
			continue;
		}
		q->packets++;
		q->bytes += m->pkt_len;
	}
	return polled ? (long)q->next : asked;
}
