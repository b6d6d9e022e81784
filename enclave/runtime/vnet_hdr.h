/* SPDX-License-Identifier: GPL-2.0-only */
/* virtio's header before each frame, as taps and vhost have it, and the flags of mbufs. */
#ifndef RT_VNET_HDR_H
#define RT_VNET_HDR_H

#include <linux/virtio_net.h>

struct rte_mbuf;

/*
 * Check a header from outside, a private copy of it, against the frame @m, and
 * set @m's flags from it. Returns 0, or -EINVAL when they don't fit.
 */
int vnet_hdr_parse(struct rte_mbuf *m, const struct virtio_net_hdr *hdr);

/* Fill @hdr, zeroed before, for a frame to send. */
void vnet_hdr_fill(const struct rte_mbuf *m, struct virtio_net_hdr *hdr);

#endif /* RT_VNET_HDR_H */
