/* SPDX-License-Identifier: GPL-2.0-only */
/* The network port of the runtime; asm/runtime_net.h is the kernel's side. */
#ifndef RT_NET_H
#define RT_NET_H

#include <stdbool.h>
#include <stdint.h>

enum rt_net_kind {
	RT_NET_TAP,		/* IFF_TAP, IFF_NO_PI, IFF_VNET_HDR */
	RT_NET_VIRTIO_USER,	/* a Unix socket: we are vhost-user's front end */
	RT_NET_VHOST,		/* ... its back end */
};

/* Offloads that can be switched off, to measure what they are worth. */
enum rt_net_without {
	RT_NET_WITHOUT_CSUM = 1 << 0,	/* both ways */
	RT_NET_WITHOUT_TSO = 1 << 1,	/* of what is sent */
	RT_NET_WITHOUT_LRO = 1 << 2,	/* super-frames from the other end */
	RT_NET_WITHOUT_GSO = 1 << 3,	/* the stack's own, before the device */
	RT_NET_WITHOUT_GRO = 1 << 4,	/* the stack's own, after the device */
	RT_NET_WITHOUT_ZEROCOPY = 1 << 5,
};

struct rt_net_config {
	enum rt_net_kind kind;
	int fd;			/* owned from now on */
	bool listens;		/* the socket waits for the other end, and its successors */
	unsigned int without;	/* enum rt_net_without */
	unsigned int queues;
	const int *more_fds;	/* a tap: one for each queue but the first */
	bool busy;		/* the CPU is ours alone: never given away */
	uint8_t mac[6];
	unsigned int mtu;
	uint64_t tsc_hz;	/* 0: EAL measures it, which takes 100 ms */
};

/*
 * Start DPDK and its port. On the host thread that becomes CPU 0, before the
 * lock-down; only when the launch record has a net. Returns 0, or -errno with
 * the reason in rt_eal_error().
 */
int rt_net_start(const struct rt_net_config *config);

/*
 * Each further host thread that becomes a CPU, once: gives it buffer caches of
 * its own. Harmless without a port. Returns 0 or -errno.
 */
int rt_net_thread_start(void);

#endif /* RT_NET_H */
