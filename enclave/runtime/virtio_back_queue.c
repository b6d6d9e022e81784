// SPDX-License-Identifier: GPL-2.0-only
/*
 * The data path of `--net vhost`: the device's side of split virtqueues in the
 * memory of another enclave. What is sent to us is not copied here: frames
 * point into the front end's memory until the library kernel has copied them,
 * and are given back before the next ones are taken. What we send is copied
 * into its buffers. Each field of its rings is read once, then checked.
 */
#include <string.h>

#include <rte_mbuf.h>

#include "hostcall.h"
#include "virtio_back.h"
#include "vnet_hdr.h"

#define ONCE(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)

/* A walk through the descriptors of one chain. */
struct walk {
	uint16_t index;
	uint16_t steps;
	bool more;
	bool for_writing;	/* what the device may do with the buffers */
};

static struct back *back_of(struct back_queue *q)
{
	return (struct back *)q->link;
}

static uint16_t avail_count(struct back_queue *q)
{
	uint16_t peer_idx = __atomic_load_n(&q->peer_avail->idx, __ATOMIC_ACQUIRE);
	uint16_t count = (uint16_t)(peer_idx - q->avail_next);

	if (count > q->entries) {
		q->link->lie = "more entries available than the ring has";
		return 0;
	}
	return count;
}

static uint16_t begin_walk(struct back_queue *q, struct walk *walk, bool for_writing)
{
	uint16_t head = ONCE(q->peer_avail->ring[q->avail_next & (q->entries - 1)]);

	*walk = (struct walk){ .index = head, .more = true, .for_writing = for_writing };
	q->avail_next++;
	return head;
}

/* The next buffer of the chain; NULL at its end, or when it is a lie. */
static char *step(struct back_queue *q, struct walk *walk, uint32_t *ret_len)
{
	struct vring_desc *peer;
	uint64_t addr;
	uint16_t flags;
	char *ret;

	if (!walk->more)
		return NULL;
	if (walk->index >= q->entries || walk->steps++ >= q->entries) {
		q->link->lie = "a chain of descriptors that leaves the ring or does not end";
		return NULL;
	}
	peer = &q->peer_desc[walk->index];
	addr = ONCE(peer->addr);
	*ret_len = ONCE(peer->len);
	flags = ONCE(peer->flags);
	walk->index = ONCE(peer->next);
	walk->more = flags & VRING_DESC_F_NEXT;
	ret = back_guest(back_of(q), addr, *ret_len);
	if (!ret || flags & VRING_DESC_F_INDIRECT ||
	    !(flags & VRING_DESC_F_WRITE) != !walk->for_writing) {
		q->link->lie = "a descriptor of no buffer";
		return NULL;
	}
	return ret;
}

static void put_used(struct back_queue *q, uint16_t head, uint32_t len)
{
	struct vring_used_elem *entry = &q->peer_used->ring[q->used_next & (q->entries - 1)];

	entry->id = head;
	entry->len = len;
	q->used_next++;
}

/* Tell what was used, and signal it if that was asked for. */
static void tell_used(struct back_queue *q)
{
	uint64_t one = 1;

	if (q->used_told == q->used_next)
		return;
	q->link->progress++;
	q->used_told = q->used_next;
	__atomic_store_n(&q->peer_used->idx, q->used_next, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (ONCE(q->peer_avail->flags) & VRING_AVAIL_F_NO_INTERRUPT)
		return;
	q->calls++;
	hostcall_write(q->call, &one, sizeof(one));
}

/* ---- receive ---- */

static struct rte_mbuf *attach(struct back_queue *q, char *data, uint32_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(q->pool);

	if (unlikely(!m))
		return NULL;
	rte_mbuf_ext_refcnt_update(&q->shared, 1);
	rte_pktmbuf_attach_extbuf(m, data, (uintptr_t)data, (uint16_t)len, &q->shared);
	m->data_off = 0;
	m->data_len = (uint16_t)len;
	return m;
}

/* virtio's header may share a buffer with the frame, or be spread over several. */
static char *take_hdr(struct back_queue *q, struct walk *walk, void *hdr, uint32_t *ret_len)
{
	uint32_t got = 0;
	char *data = NULL;

	*ret_len = 0;
	while (got < VIRTIO_HDR_BYTES) {
		uint32_t n;

		data = step(q, walk, ret_len);
		if (!data)
			return NULL;
		n = RTE_MIN(*ret_len, VIRTIO_HDR_BYTES - got);
		memcpy((char *)hdr + got, data, n);
		got += n;
		data += n;
		*ret_len -= n;
	}
	return data;
}

static struct rte_mbuf *rx_frame(struct back_queue *q, struct walk *walk,
				 struct virtio_net_hdr_mrg_rxbuf *hdr)
{
	struct rte_mbuf *head = NULL, *last = NULL;
	uint32_t len, total = 0;
	char *data = take_hdr(q, walk, hdr, &len);

	for (; data; data = step(q, walk, &len)) {
		struct rte_mbuf *m;

		if (!len)
			continue;
		total += len;
		m = len > UINT16_MAX || total > VIRTIO_FRAME_MAX ? NULL : attach(q, data, len);
		if (!m || (head && head->nb_segs >= BACK_SEGS_MAX)) {
			rte_pktmbuf_free(m);
			rte_pktmbuf_free(head);
			return NULL;
		}
		if (head) {
			last->next = m;
			head->nb_segs++;
		} else {
			head = m;
		}
		last = m;
	}
	if (head)
		head->pkt_len = total;
	return head;
}

uint16_t back_rx_burst(void *queue, struct rte_mbuf **mbufs, uint16_t n)
{
	struct back_queue *q = queue;
	uint16_t got = 0, left;

	virtio_link_poll(q->link);
	if (unlikely(!q->link->up))
		return 0;
	/* All frames of the call before this one have been copied. */
	tell_used(q);
	left = avail_count(q);
	/* Not before: the look between arming and sleeping finds nothing. */
	if (q->armed && left) {
		q->armed = false;
		q->peer_used->flags = VRING_USED_F_NO_NOTIFY;
	}
	for (; left && got < n; left--) {
		struct virtio_net_hdr_mrg_rxbuf hdr;
		struct rte_mbuf *m;
		struct walk walk;
		uint16_t head = begin_walk(q, &walk, false);

		m = rx_frame(q, &walk, &hdr);
		if (unlikely(q->link->lie)) {
			rte_pktmbuf_free(m);
			break;
		}
		put_used(q, head, 0);
		if (unlikely(!m || vnet_hdr_parse(m, &hdr.hdr))) {
			rte_pktmbuf_free(m);
			q->dropped++;
			continue;
		}
		m->port = q->port;
		mbufs[got++] = m;
	}
	if (unlikely(q->link->lie))
		q->link->up = false;
	return got;
}

void back_rx_arm(struct back_queue *q)
{
	uint64_t count;

	hostcall_read(q->kick, &count, sizeof(count));
	q->armed = true;
	__atomic_store_n(&q->peer_used->flags, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* ---- send ---- */

/* Fills the front end's buffers, one after another, with one frame. */
struct fill {
	struct walk walk;
	char *at;
	uint32_t room;
	uint32_t written;	/* into the chain @head */
	uint16_t head;
	uint16_t buffers;
	uint16_t left;		/* chains available */
};

static bool fill_next(struct back_queue *q, struct fill *fill)
{
	while (!fill->room) {
		fill->at = fill->buffers ? step(q, &fill->walk, &fill->room) : NULL;
		if (fill->at)
			continue;
		if (q->link->lie || !fill->left)
			return false;
		if (fill->buffers++)
			put_used(q, fill->head, fill->written);
		fill->left--;
		fill->written = 0;
		fill->room = 0;
		fill->head = begin_walk(q, &fill->walk, true);
	}
	return true;
}

static bool fill_with(struct back_queue *q, struct fill *fill, const char *from, uint32_t bytes)
{
	while (bytes) {
		uint32_t n;

		if (!fill_next(q, fill))
			return false;
		n = RTE_MIN(bytes, fill->room);
		memcpy(fill->at, from, n);
		fill->at += n;
		fill->room -= n;
		fill->written += n;
		from += n;
		bytes -= n;
	}
	return true;
}

static bool tx_frame(struct back_queue *q, const struct rte_mbuf *m)
{
	struct virtio_net_hdr_mrg_rxbuf hdr = { 0 };
	struct fill fill = { .left = avail_count(q) };
	uint16_t used = q->used_next, avail = q->avail_next;
	char *hdr_at;
	bool whole;

	vnet_hdr_fill(m, &hdr.hdr);
	if (!fill_next(q, &fill))
		goto no_room;
	hdr_at = fill.at;
	if (fill.room < sizeof(hdr)) {
		q->link->lie = "a receive buffer too small for a header";
		return false;
	}
	whole = fill_with(q, &fill, (char *)&hdr, sizeof(hdr));
	for (const struct rte_mbuf *seg = m; seg && whole; seg = seg->next)
		whole = fill_with(q, &fill, rte_pktmbuf_mtod(seg, char *), seg->data_len);
	if (!whole)
		goto no_room;
	put_used(q, fill.head, fill.written);
	hdr.num_buffers = fill.buffers;
	memcpy(hdr_at, &hdr, sizeof(hdr));
	return true;

no_room:
	q->used_next = used;
	q->avail_next = avail;
	q->full++;
	return false;
}

uint16_t back_tx_burst(void *queue, struct rte_mbuf **mbufs, uint16_t n)
{
	struct back_queue *q = queue;
	uint16_t sent = 0;

	rte_spinlock_lock(&q->link->tx_lock);
	while (sent < n && q->link->up && !q->link->lie && tx_frame(q, mbufs[sent]))
		sent++;
	if (likely(q->link->up))
		tell_used(q);
	virtio_link_sent(q->link, !sent && n);
	if (sent)
		rte_pktmbuf_free_bulk(mbufs, sent);
	if (unlikely(!q->link->up || q->link->lie)) {
		rte_pktmbuf_free_bulk(&mbufs[sent], (unsigned int)(n - sent));
		q->dropped += (uint64_t)(n - sent);
		sent = n;
	}
	rte_spinlock_unlock(&q->link->tx_lock);
	return sent;
}
