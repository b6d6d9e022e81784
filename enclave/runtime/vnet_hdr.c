// SPDX-License-Identifier: GPL-2.0-only
/* virtio's header before each frame, as taps and vhost have it, and the flags of mbufs. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_net.h>

#include "vnet_hdr.h"

enum {
	TCP_CSUM_OFFSET = 16,
	UDP_CSUM_OFFSET = 6,
};

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
static int finish_csum(struct rte_mbuf *m, uint16_t start, uint16_t offset)
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

static int parse_gso(struct rte_mbuf *m, const struct virtio_net_hdr *hdr, uint32_t ptype)
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

int vnet_hdr_parse(struct rte_mbuf *m, const struct virtio_net_hdr *hdr)
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
		return finish_csum(m, hdr->csum_start, hdr->csum_offset);
	}
	m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_NONE;
	if (hdr->gso_type == VIRTIO_NET_HDR_GSO_NONE)
		return 0;
	return parse_gso(m, hdr, ptype);
}

void vnet_hdr_fill(const struct rte_mbuf *m, struct virtio_net_hdr *hdr)
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
