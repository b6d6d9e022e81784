/* SPDX-License-Identifier: GPL-2.0-only */
/* An ethdev over shared memory: vhost-user's front end, or its back end. */
#ifndef RT_VIRTIO_H
#define RT_VIRTIO_H

#include <stdbool.h>
#include <stdint.h>

#define RT_VIRTIO_DRIVER	"net_rkt_virtio"
#define RT_VHOST_DRIVER		"net_rkt_vhost"

/* Whether the other end is there. */
const unsigned char *rt_virtio_carrier(void);

struct rt_virtio_config {
	int fd;			/* a Unix socket, owned from now on */
	bool listens;		/* ... on which the other end will connect, again and again */
	bool back_end;
	bool busy;		/* never yield the CPU to the other end */
	uint8_t mac[6];
};

enum { RT_VIRTIO_RINGS_MAX = 16 };	/* a pair for each queue */

struct rt_virtio_stats {
	uint64_t kicks;		/* host calls that wake the other end */
	uint64_t checks;	/* looks at the socket, a host call or two each */
	uint64_t connects;
	uint64_t yields;	/* of the CPU, to another end that stands still */
	uint64_t tx_full;
	uint64_t dropped;
};

/* Make the port. Its link comes up when it is started, or later. Returns 0 or -errno. */
int rt_virtio_attach(const struct rt_virtio_config *config, uint16_t *ret_port);

/*
 * The eventfds of a front end: @kick wakes the other end, @call ourselves.
 * Returns how many of each. Start-up only.
 */
unsigned int rt_virtio_start_events(int kick[RT_VIRTIO_RINGS_MAX], int call[RT_VIRTIO_RINGS_MAX]);

/* Returns whether there is such a port. */
bool rt_virtio_stats(struct rt_virtio_stats *ret);

#endif /* RT_VIRTIO_H */
