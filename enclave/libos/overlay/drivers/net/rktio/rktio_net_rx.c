// SPDX-License-Identifier: GPL-2.0-only
/*
 * Receiving: the poll loop looks for frames, NAPI copies them out of the DMA
 * region. Small frames become linear, large ones fill pages. The runtime takes
 * the frames of a burst back with the next one.
 */
#include <linux/etherdevice.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <net/sock.h>
#include <asm/hostcall_entry.h>
#include "rktio_net.h"

#define LINEAR_MAX	2048	/* frames up to this are not spread over pages */
#define HEAD_BYTES	256	/* of larger ones, this much is linear */

/* Where in the frame the next byte to copy is. */
struct cursor {
	const struct rt_net_seg *seg;
	unsigned int offset;
};

static void copy_out(struct cursor *from, void *to, unsigned int len)
{
	while (len) {
		unsigned int n = min(len, from->seg->len - from->offset);

		memcpy(to, from->seg->addr + from->offset, n);
		to += n;
		len -= n;
		from->offset += n;
		if (from->offset == from->seg->len) {
			from->seg++;
			from->offset = 0;
		}
	}
}

/* Headers, all of them: what the stack reads before it looks at fragments. */
static unsigned int linear_bytes(const struct rt_net_frame *frame)
{
	const struct rt_net_offload *o = &frame->offload;

	if (frame->len <= LINEAR_MAX)
		return frame->len;
	if (o->gso)
		return o->csum_start + o->l4_len;
	return max_t(unsigned int, HEAD_BYTES,
		     o->csum_start + o->csum_offset + sizeof(__sum16));
}

static bool fill_pages(struct rktio_net_queue *q, struct sk_buff *skb,
		       struct cursor *from, unsigned int left)
{
	struct page_frag *frag = &q->frag;

	while (left) {
		unsigned int n = min_t(unsigned int, left, PAGE_SIZE);

		if (skb_shinfo(skb)->nr_frags == MAX_SKB_FRAGS ||
		    !skb_page_frag_refill(n, frag, GFP_ATOMIC))
			return false;
		n = min(left, frag->size - frag->offset);
		copy_out(from, page_address(frag->page) + frag->offset, n);
		get_page(frag->page);
		skb_add_rx_frag(skb, skb_shinfo(skb)->nr_frags, frag->page,
				frag->offset, n, n);
		frag->offset = min_t(unsigned int, frag->size,
				     frag->offset + ALIGN(n, SMP_CACHE_BYTES));
		left -= n;
	}
	return true;
}

static struct sk_buff *copy_frame(struct rktio_net_queue *q,
				  const struct rt_net_frame *frame)
{
	struct cursor from = { .seg = &q->rx->seg[frame->first_seg] };
	unsigned int linear = min(linear_bytes(frame), frame->len);
	struct sk_buff *skb = napi_alloc_skb(&q->napi, linear);

	if (unlikely(!skb))
		return NULL;
	copy_out(&from, skb_put(skb, linear), linear);
	if (unlikely(!fill_pages(q, skb, &from, frame->len - linear))) {
		kfree_skb(skb);
		return NULL;
	}
	return skb;
}

static void set_gso(struct sk_buff *skb, const struct rt_net_offload *o)
{
	struct skb_shared_info *info = skb_shinfo(skb);
	unsigned int headers = o->csum_start + o->l4_len;

	/* From outside, so not to be trusted without a look when forwarded. */
	info->gso_type = SKB_GSO_DODGY;
	info->gso_type |= o->gso == RT_NET_GSO_TCPV6 ? SKB_GSO_TCPV6 : SKB_GSO_TCPV4;
	if (((struct tcphdr *)(skb->data + o->csum_start))->cwr)
		info->gso_type |= SKB_GSO_TCP_ECN;
	info->gso_size = o->gso_bytes;
	info->gso_segs = DIV_ROUND_UP(skb->len - headers, o->gso_bytes);
}

static bool set_offload(struct sk_buff *skb, const struct rt_net_offload *o)
{
	if (o->csum == RT_NET_CSUM_PARTIAL) {
		if (!skb_partial_csum_set(skb, o->csum_start, o->csum_offset))
			return false;
	} else if (o->csum == RT_NET_CSUM_VALID) {
		skb->ip_summed = CHECKSUM_UNNECESSARY;
	}
	if (o->gso == RT_NET_GSO_NONE)
		return true;
	if (!o->gso_bytes || o->csum_start + o->l4_len >= skb->len ||
	    o->csum_start + o->l4_len > skb_headlen(skb))
		return false;
	set_gso(skb, o);
	return true;
}

static void deliver(struct rktio_net_queue *q, const struct rt_net_frame *frame)
{
	struct net_device *dev = q->dev;
	struct sk_buff *skb = copy_frame(q, frame);

	if (unlikely(!skb)) {
		dev->stats.rx_dropped++;
		return;
	}
	if (unlikely(!set_offload(skb, &frame->offload))) {
		dev->stats.rx_errors++;
		kfree_skb(skb);
		return;
	}
	dev_sw_netstats_rx_add(dev, skb->len);
	skb_record_rx_queue(skb, q->rx->queue);
	skb->protocol = eth_type_trans(skb, dev);
	napi_gro_receive(&q->napi, skb);
}

/* One crossing: give the last frames back, get the next. */
static void fetch(struct rktio_net_queue *q)
{
	q->rx->count = RT_NET_BURST;
	q->rx_drained = libos_hostcall(rt_net_rx, q->rx) < RT_NET_BURST;
	q->rx_next = 0;
}

int rktio_net_napi(struct napi_struct *napi, int budget)
{
	struct rktio_net_queue *q = container_of(napi, struct rktio_net_queue, napi);
	int done = 0;

	if (unlikely(READ_ONCE(q->tx_waiting)))
		rktio_net_tx_retry(q);
	while (done < budget) {
		if (q->rx_next == q->rx->count) {
			if (q->rx_drained)
				break;
			fetch(q);
			continue;
		}
		deliver(q, &q->rx->frame[q->rx_next++]);
		done++;
	}
	if (done < budget)
		napi_complete_done(napi, done);
	return done;
}

static bool look_locked(struct rktio_net_queue *q)
{
	if (unlikely(!q->up)) {
		/* Nobody listens, and a full tap would keep the CPU awake. */
		fetch(q);
		return false;
	}
	if (test_bit(NAPI_STATE_SCHED, &q->napi.state))
		return false;
	fetch(q);
	if (!q->rx->count && q->rx_drained && likely(!READ_ONCE(q->tx_waiting)))
		return false;
	napi_schedule(&q->napi);
	return true;
}

/* In hard-irq context, from any CPU: is there work for NAPI? */
bool rktio_net_look(struct rktio_net_queue *q)
{
	bool found;

	if (!spin_trylock(&q->rx_lock))
		return false;
	found = look_locked(q);
	spin_unlock(&q->rx_lock);
	return found;
}
