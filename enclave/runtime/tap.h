/* SPDX-License-Identifier: GPL-2.0-only */
/* net_rkt_tap: an ethdev over a tap that the launcher opened. */
#ifndef RT_TAP_H
#define RT_TAP_H

#include <stdint.h>

#include "net.h"

#define RT_TAP_DRIVER "net_rkt_tap"

struct rt_tap_stats {
	uint64_t writes;	/* host calls, successful or not */
	uint64_t reads;
	uint64_t reads_empty;	/* ... that found no frame */
	uint64_t tx_full;	/* writes that the host had no room for */
	uint64_t tx_errors;
	uint64_t rx_errors;	/* malformed frames */
};

/*
 * Make an ethdev of a tap with IFF_NO_PI and IFF_VNET_HDR, one descriptor for
 * each queue, which the port then owns. Returns 0 or -errno; rt_eal_error()
 * says why.
 */
int rt_tap_attach(const struct rt_net_config *config, uint16_t *ret_port);

/* Another way to the tap, of a baseline: NULL, as a rule. */
struct rte_mbuf;
struct rt_tap_path {
	uint16_t (*rx_burst)(void *queue, struct rte_mbuf **mbufs, uint16_t n);
	uint16_t (*tx_burst)(void *queue, struct rte_mbuf **mbufs, uint16_t n);
	int (*attach)(int fd);		/* takes the tap; returns what to wait for */
};
extern const struct rt_tap_path *rt_tap_path;

void rt_tap_stats(struct rt_tap_stats *ret);

#endif /* RT_TAP_H */
