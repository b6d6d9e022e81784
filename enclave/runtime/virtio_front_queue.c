// SPDX-License-Identifier: GPL-2.0-only
/*
 * The data path of `--net virtio-user`: a split virtqueue's driver side that
 * survives a lying device. The ring and its defence are virtqueue.h's; here
 * each frame's length and number of buffers must fit what was posted.
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
	KICK_AGAIN_US = 100,
};

void front_queue_reset(struct front_queue *q)
{
	for (uint16_t i = 0; i < FRONT_RING; i++)
		rte_pktmbuf_free(q->slot[i].owner);
	q->vq.slot = q->slot;
	q->vq.entries = FRONT_RING;
	q->vq.lie = &q->link->lie;
	virtqueue_reset(&q->vq);
	q->armed = false;
	q->kick_tsc = 0;
	q->vq.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
}

/* Did a kick just now wake the other end, and it has used nothing since? */
static bool is_waking(struct front_queue *q)
{
	uint16_t host_idx = __atomic_load_n(&q->vq.host_used->idx, __ATOMIC_ACQUIRE);
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

	virtqueue_publish(&q->vq);
	if (__atomic_load_n(&q->vq.host_used->flags, __ATOMIC_ACQUIRE) & VRING_USED_F_NO_NOTIFY)
		return;
	if (is_waking(q))
		return;
	q->kicks++;
	hostcall_write(q->kick, &one, sizeof(one));
}

/* The next used entry's chain; -1 when there is no such chain. */
static int take_used(struct front_queue *q, uint32_t *ret_len)
{
	int head = virtqueue_take_used(&q->vq, ret_len);

	q->link->progress += head >= 0;
	return head;
}

/* ---- receive ---- */

void front_rx_fill(struct front_queue *q)
{
	bool any = false;

	while (q->vq.free_count) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(q->pool);
		uint16_t i;

		if (unlikely(!m))
			break;
		i = virtqueue_take(&q->vq);
		m->data_off = RX_HEADROOM;
		q->slot[i].owner = m;
		q->slot[i].count = 1;
		q->slot[i].bytes = (uint32_t)m->buf_len - RX_HEADROOM;
		q->vq.desc[i] = (struct vring_desc){
			.addr = (uintptr_t)rte_pktmbuf_mtod(m, void *),
			.len = q->slot[i].bytes,
			.flags = VRING_DESC_F_WRITE,
		};
		virtqueue_put(&q->vq, i);
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
	m = q->slot[i].owner;
	if (len > q->slot[i].bytes) {
		q->link->lie = "a frame longer than its buffer";
		len = 0;
	}
	virtqueue_free(&q->vq, (uint16_t)i);
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
	left = virtqueue_used(&q->vq);
	/* Not before: the look between arming and sleeping finds nothing. */
	if (q->armed && left) {
		q->armed = false;
		q->vq.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
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
	else if (q->vq.free_count >= FRONT_RING / 8)
		front_rx_fill(q);
	return got;
}

void front_rx_arm(struct front_queue *q)
{
	uint64_t count;

	hostcall_read(q->call, &count, sizeof(count));
	q->armed = true;
	__atomic_store_n(&q->vq.avail->flags, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* ---- send ---- */

static void tx_reclaim(struct front_queue *q)
{
	uint16_t left = virtqueue_used(&q->vq);

	while (left--) {
		uint32_t unused_len;
		struct rte_mbuf *m;
		int head = take_used(q, &unused_len);

		if (head < 0)
			return;
		m = q->slot[head].owner;
		virtqueue_free(&q->vq, (uint16_t)head);
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
	uint16_t head = q->vq.free_head, count = 0, i = head;

	tx_put_hdr(m);
	for (struct rte_mbuf *seg = m; seg; seg = seg->next) {
		i = virtqueue_take(&q->vq);
		q->slot[i].owner = NULL;
		q->vq.desc[i] = (struct vring_desc){
			.addr = (uintptr_t)rte_pktmbuf_mtod(seg, char *) - hdr_bytes,
			.len = seg->data_len + hdr_bytes,
			.flags = seg->next ? VRING_DESC_F_NEXT : 0,
			.next = q->slot[i].next,
		};
		hdr_bytes = 0;
		count++;
	}
	q->slot[head].owner = m;
	q->slot[head].count = count;
	virtqueue_put(&q->vq, head);
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
		if (mbufs[sent]->nb_segs > q->vq.free_count) {
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
