// SPDX-License-Identifier: GPL-2.0-only
/*
 * The data path of `--net virtio-user`: a split virtqueue's driver side that
 * survives a lying device. The other end owns the used ring and can rewrite all
 * of the DMA region at any time, so descriptors are never read back, each used
 * entry is fetched once, and its id and length must fit a chain in flight.
 */
#include <stdbool.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "hostcall.h"
#include "virtio_front.h"
#include "vnet_hdr.h"

enum {
	RX_HEADROOM = RTE_PKTMBUF_HEADROOM - VIRTIO_HDR_BYTES,
	RING_MASK = FRONT_RING - 1,
	KICK_AGAIN_US = 100,
};

static void free_slots(struct front_queue *q, uint16_t head)
{
	uint16_t last = head;

	for (uint16_t i = 1; i < q->slot[head].count; i++)
		last = q->slot[last].next;
	q->free_count = (uint16_t)(q->free_count + q->slot[head].count);
	q->slot[last].next = q->free_head;
	q->free_head = head;
	q->slot[head].mbuf = NULL;
}

static uint16_t take_slot(struct front_queue *q)
{
	uint16_t slot = q->free_head;

	q->free_head = q->slot[slot].next;
	q->free_count--;
	return slot;
}

void front_queue_reset(struct front_queue *q)
{
	for (uint16_t i = 0; i < FRONT_RING; i++) {
		rte_pktmbuf_free(q->slot[i].mbuf);
		q->slot[i] = (struct front_slot){ .next = (uint16_t)(i + 1) };
	}
	q->free_head = 0;
	q->free_count = FRONT_RING;
	q->avail_next = 0;
	q->used_next = 0;
	q->in_flight = 0;
	q->armed = false;
	q->kick_tsc = 0;
	memset(q->desc, 0, sizeof(*q->desc) * FRONT_RING);
	memset(q->avail, 0, sizeof(*q->avail) + sizeof(uint16_t) * FRONT_RING);
	memset(q->host_used, 0, sizeof(*q->host_used) +
	       sizeof(struct vring_used_elem) * FRONT_RING);
	q->avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
}

static void put_avail(struct front_queue *q, uint16_t head)
{
	q->avail->ring[q->avail_next & RING_MASK] = head;
	q->avail_next++;
	q->in_flight++;
}

/* Did a kick just now wake the other end, and it has used nothing since? */
static bool is_waking(struct front_queue *q)
{
	uint16_t host_idx = __atomic_load_n(&q->host_used->idx, __ATOMIC_ACQUIRE);
	uint64_t now = rte_rdtsc();

	if (q->kick_tsc && host_idx == q->kicked_at &&
	    now - q->kick_tsc < rte_get_tsc_hz() / 1000000 * KICK_AGAIN_US)
		return true;
	q->kick_tsc = now;
	q->kicked_at = host_idx;
	return false;
}

/* Publish what was put, and wake the other end if it asked for that. */
static void publish(struct front_queue *q)
{
	uint64_t one = 1;

	__atomic_store_n(&q->avail->idx, q->avail_next, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&q->host_used->flags, __ATOMIC_ACQUIRE) & VRING_USED_F_NO_NOTIFY)
		return;
	if (is_waking(q))
		return;
	q->kicks++;
	hostcall_write(q->kick, &one, sizeof(one));
}

/* How many entries the other end has given back and we have not looked at. */
static uint16_t used_count(struct front_queue *q)
{
	uint16_t host_idx = __atomic_load_n(&q->host_used->idx, __ATOMIC_ACQUIRE);
	uint16_t count = (uint16_t)(host_idx - q->used_next);

	if (count > q->in_flight) {
		q->link->lie = "more entries used than were available";
		return 0;
	}
	return count;
}

/* The next used entry's chain, which is ours again; -1 when there is no such chain. */
static int take_used(struct front_queue *q, uint32_t *ret_len)
{
	struct vring_used_elem *entry = &q->host_used->ring[q->used_next & RING_MASK];
	uint32_t host_id = __atomic_load_n(&entry->id, __ATOMIC_RELAXED);

	*ret_len = __atomic_load_n(&entry->len, __ATOMIC_RELAXED);
	if (host_id >= FRONT_RING || !q->slot[host_id].mbuf) {
		q->link->lie = "an entry used that was not available";
		return -1;
	}
	q->used_next++;
	q->in_flight--;
	q->link->progress++;
	return (int)host_id;
}

/* ---- receive ---- */

void front_rx_fill(struct front_queue *q)
{
	bool any = false;

	while (q->free_count) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(q->pool);
		uint16_t i;

		if (unlikely(!m))
			break;
		i = take_slot(q);
		m->data_off = RX_HEADROOM;
		q->slot[i].mbuf = m;
		q->slot[i].count = 1;
		q->slot[i].bytes = (uint32_t)m->buf_len - RX_HEADROOM;
		q->desc[i] = (struct vring_desc){
			.addr = (uintptr_t)rte_pktmbuf_mtod(m, void *),
			.len = q->slot[i].bytes,
			.flags = VRING_DESC_F_WRITE,
		};
		put_avail(q, i);
		any = true;
	}
	if (any)
		publish(q);
}

static struct rte_mbuf *rx_take(struct front_queue *q)
{
	struct rte_mbuf *m;
	uint32_t len;
	int i = take_used(q, &len);

	if (i < 0)
		return NULL;
	m = q->slot[i].mbuf;
	if (len > q->slot[i].bytes) {
		q->link->lie = "a frame longer than its buffer";
		len = 0;
	}
	free_slots(q, (uint16_t)i);
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	return m;
}

/* The buffers after the first, each without a header of its own. */
static bool rx_gather(struct front_queue *q, struct rte_mbuf *head, unsigned int more)
{
	struct rte_mbuf *last = head;

	while (more--) {
		struct rte_mbuf *m = rx_take(q);

		if (!m)
			return false;
		last->next = m;
		last = m;
		head->nb_segs++;
		head->pkt_len += m->data_len;
	}
	return true;
}

static struct rte_mbuf *rx_frame(struct front_queue *q, uint16_t *left)
{
	struct virtio_net_hdr_mrg_rxbuf hdr;
	struct rte_mbuf *m = rx_take(q);

	if (!m)
		return NULL;
	if (m->data_len < VIRTIO_HDR_BYTES) {
		q->link->lie = q->link->lie ? q->link->lie : "a frame without a header";
		goto drop;
	}
	memcpy(&hdr, rte_pktmbuf_mtod(m, void *), sizeof(hdr));
	if (!hdr.num_buffers || hdr.num_buffers > *left) {
		q->link->lie = "a frame in buffers that are not there";
		goto drop;
	}
	rte_pktmbuf_adj(m, VIRTIO_HDR_BYTES);
	m->port = q->port;
	*left = (uint16_t)(*left - hdr.num_buffers);
	if (!rx_gather(q, m, hdr.num_buffers - 1u) || q->link->lie)
		goto drop;
	if (m->pkt_len <= VIRTIO_FRAME_MAX && !vnet_hdr_parse(m, &hdr.hdr))
		return m;
drop:
	q->dropped++;
	rte_pktmbuf_free(m);
	return NULL;
}

uint16_t front_rx_burst(void *queue, struct rte_mbuf **mbufs, uint16_t n)
{
	struct front_queue *q = queue;
	uint16_t got = 0, left;

	virtio_link_poll(q->link);
	if (unlikely(!q->link->up))
		return 0;
	left = used_count(q);
	/* Not before: the look between arming and sleeping finds nothing. */
	if (q->armed && left) {
		q->armed = false;
		q->avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	}
	while (got < n && left && !q->link->lie) {
		uint16_t before = left;
		struct rte_mbuf *m = rx_frame(q, &left);

		if (m)
			mbufs[got++] = m;
		else if (left == before)
			break;
	}
	if (unlikely(q->link->lie))
		q->link->up = false;
	else if (q->free_count >= FRONT_RING / 8)
		front_rx_fill(q);
	return got;
}

void front_rx_arm(struct front_queue *q)
{
	uint64_t count;

	hostcall_read(q->call, &count, sizeof(count));
	q->armed = true;
	__atomic_store_n(&q->avail->flags, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* ---- send ---- */

static void tx_reclaim(struct front_queue *q)
{
	uint16_t left = used_count(q);

	while (left--) {
		uint32_t unused_len;
		struct rte_mbuf *m;
		int head = take_used(q, &unused_len);

		if (head < 0)
			return;
		m = q->slot[head].mbuf;
		free_slots(q, (uint16_t)head);
		rte_pktmbuf_free(m);
	}
}

/* virtio's header goes into the room before the frame: one descriptor for both. */
static void tx_put_hdr(struct rte_mbuf *m)
{
	struct virtio_net_hdr_mrg_rxbuf hdr = { 0 };

	vnet_hdr_fill(m, &hdr.hdr);
	memcpy(rte_pktmbuf_mtod(m, char *) - sizeof(hdr), &hdr, sizeof(hdr));
}

static void tx_put(struct front_queue *q, struct rte_mbuf *m)
{
	uint32_t hdr_bytes = VIRTIO_HDR_BYTES;
	uint16_t head = q->free_head, count = 0, i = head;

	tx_put_hdr(m);
	for (struct rte_mbuf *seg = m; seg; seg = seg->next) {
		i = take_slot(q);
		q->slot[i].mbuf = NULL;
		q->desc[i] = (struct vring_desc){
			.addr = (uintptr_t)rte_pktmbuf_mtod(seg, char *) - hdr_bytes,
			.len = seg->data_len + hdr_bytes,
			.flags = seg->next ? VRING_DESC_F_NEXT : 0,
			.next = q->slot[i].next,
		};
		hdr_bytes = 0;
		count++;
	}
	q->slot[head].mbuf = m;
	q->slot[head].count = count;
	put_avail(q, head);
}

static uint16_t tx_burst(struct front_queue *q, struct rte_mbuf **mbufs, uint16_t n)
{
	uint16_t sent;

	tx_reclaim(q);
	if (unlikely(q->link->lie)) {
		q->link->up = false;
		return 0;
	}
	for (sent = 0; sent < n; sent++) {
		if (mbufs[sent]->nb_segs > q->free_count) {
			q->full++;
			break;
		}
		tx_put(q, mbufs[sent]);
	}
	if (sent)
		publish(q);
	virtio_link_sent(q->link, !sent && n);
	return sent;
}

/* Without a peer frames are lost, as on a wire that nobody plugged in. */
uint16_t front_tx_burst(void *queue, struct rte_mbuf **mbufs, uint16_t n)
{
	struct front_queue *q = queue;
	uint16_t sent = 0;

	rte_spinlock_lock(&q->link->tx_lock);
	if (likely(q->link->up))
		sent = tx_burst(q, mbufs, n);
	if (unlikely(!q->link->up)) {
		rte_pktmbuf_free_bulk(&mbufs[sent], (unsigned int)(n - sent));
		q->dropped += (uint64_t)(n - sent);
		sent = n;
	}
	rte_spinlock_unlock(&q->link->tx_lock);
	return sent;
}
