// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sending: frames are gathered while the stack says that more follow, then
 * cross to the runtime in one call, which copies them. So they are free at
 * once: no completions, nothing held that a slow device could wedge.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <asm/hostcall_entry.h>
#include "rktio_net.h"

/* Limits of DPDK's bit fields for header lengths. */
#define L2_LEN_MAX	127
#define L3_LEN_MAX	511

/* Can the port sum this: TCP or UDP directly over IP, with sane lengths? */
static bool port_can_sum(const struct sk_buff *skb, const struct rt_net_offload *o)
{
	__be16 protocol = vlan_get_protocol(skb);

	if (protocol != htons(ETH_P_IP) && protocol != htons(ETH_P_IPV6))
		return false;
	if (o->csum_offset != offsetof(struct tcphdr, check) &&
	    o->csum_offset != offsetof(struct udphdr, check))
		return false;
	return o->l3_start >= ETH_HLEN && o->l3_start <= L2_LEN_MAX &&
	       o->csum_start > o->l3_start &&
	       o->csum_start - o->l3_start <= L3_LEN_MAX;
}

static int describe_gso(const struct sk_buff *skb, struct rt_net_offload *o)
{
	unsigned int type = skb_shinfo(skb)->gso_type;

	if (type & SKB_GSO_TCPV4)
		o->gso = RT_NET_GSO_TCPV4;
	else if (type & SKB_GSO_TCPV6)
		o->gso = RT_NET_GSO_TCPV6;
	else
		return -EINVAL;
	o->gso_bytes = skb_shinfo(skb)->gso_size;
	o->l4_len = tcp_hdrlen(skb);
	return 0;
}

static int describe_offload(struct sk_buff *skb, struct rt_net_offload *o)
{
	*o = (struct rt_net_offload){ .csum = RT_NET_CSUM_NONE };
	if (skb->ip_summed != CHECKSUM_PARTIAL)
		return skb_is_gso(skb) ? -EINVAL : 0;

	o->csum = RT_NET_CSUM_PARTIAL;
	o->ipv6 = vlan_get_protocol(skb) == htons(ETH_P_IPV6);
	o->l3_start = skb_network_offset(skb);
	o->csum_start = skb_checksum_start_offset(skb);
	o->csum_offset = skb->csum_offset;
	if (!port_can_sum(skb, o)) {
		if (skb_is_gso(skb))
			return -EINVAL;
		*o = (struct rt_net_offload){ .csum = RT_NET_CSUM_NONE };
		return skb_checksum_help(skb);
	}
	return skb_is_gso(skb) ? describe_gso(skb, o) : 0;
}

static void add_seg(struct rt_net_burst *burst, void *addr, unsigned int len)
{
	struct rt_net_seg *seg = &burst->seg[burst->seg_count++];

	seg->addr = addr;
	seg->len = len;
}

static void add_frame(struct rktio_net_queue *q, struct sk_buff *skb,
		      const struct rt_net_offload *offload)
{
	const struct skb_shared_info *info = skb_shinfo(skb);
	struct rt_net_burst *burst = q->tx;
	struct rt_net_frame *frame = &burst->frame[burst->count];
	unsigned int i;

	frame->offload = *offload;
	frame->len = skb->len;
	frame->first_seg = burst->seg_count;
	add_seg(burst, skb->data, skb_headlen(skb));
	for (i = 0; i < info->nr_frags; i++)
		add_seg(burst, skb_frag_address(&info->frags[i]),
			skb_frag_size(&info->frags[i]));
	frame->segs = burst->seg_count - frame->first_seg;
	q->tx_skb[burst->count++] = skb;
}

static void cross(struct rktio_net_queue *q)
{
	struct netdev_queue *txq = netdev_get_tx_queue(q->dev, q->tx->queue);

	libos_hostcall(rt_net_tx, q->tx);
	q->tx->count = 0;
	q->tx->seg_count = 0;
	if (unlikely(q->tx->waiting)) {
		netif_tx_stop_queue(txq);
		WRITE_ONCE(q->tx_waiting, true);
	} else if (unlikely(q->tx_waiting)) {
		WRITE_ONCE(q->tx_waiting, false);
		netif_tx_wake_queue(txq);
	}
}

static void flush(struct rktio_net_queue *q)
{
	unsigned int i, count = q->tx->count, bytes = 0;

	if (!count)
		return;
	cross(q);
	for (i = 0; i < count; i++) {
		bytes += q->tx_skb[i]->len;
		dev_consume_skb_any(q->tx_skb[i]);
	}
	dev_sw_netstats_tx_add(q->dev, count, bytes);
}

static bool is_full(const struct rt_net_burst *burst)
{
	return burst->count == RT_NET_BURST ||
	       burst->seg_count + MAX_SKB_FRAGS + 1 > RT_NET_SEGS;
}

netdev_tx_t rktio_net_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct rktio_net *net = netdev_priv(dev);
	struct rktio_net_queue *q = &net->queue[skb_get_queue_mapping(skb)];
	struct rt_net_offload offload;

	if (unlikely(skb->len > RT_NET_FRAME_MAX) ||
	    unlikely(describe_offload(skb, &offload))) {
		dev->stats.tx_errors++;
		dev_kfree_skb_any(skb);
	} else {
		skb_tx_timestamp(skb);
		add_frame(q, skb, &offload);
	}
	if (!netdev_xmit_more() || is_full(q->tx))
		flush(q);
	return NETDEV_TX_OK;
}

/* From NAPI: the device had no room; look whether it has now. */
void rktio_net_tx_retry(struct rktio_net_queue *q)
{
	struct netdev_queue *txq = netdev_get_tx_queue(q->dev, q->tx->queue);

	__netif_tx_lock(txq, smp_processor_id());
	if (q->tx_waiting)
		cross(q);
	__netif_tx_unlock(txq);
}
