/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The control channel of a shared-memory port: who is at the other end, whether
 * it is there, and what was agreed. virtio_front.c and virtio_back.c are the
 * two roles; the queues know nothing of sockets.
 */
#ifndef RT_VIRTIO_LINK_H
#define RT_VIRTIO_LINK_H

#include <linux/virtio_net.h>
#include <rte_spinlock.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	VIRTIO_RINGS = 2,	/* as the front end sees them: receive, send */
	VIRTIO_RX = 0,
	VIRTIO_TX = 1,
	VIRTIO_FRAME_MAX = 65536 + 64,
	VIRTIO_HDR_BYTES = sizeof(struct virtio_net_hdr_mrg_rxbuf),
};

struct virtio_link;

struct virtio_role {
	/* Once @link->socket is connected. Returns 0, or -errno with a reason logged. */
	int (*connected)(struct virtio_link *link);
	/* A message waits, or the peer hung up. -errno ends the connection. */
	int (*readable)(struct virtio_link *link);
	/* No peer any more: forget what was shared. */
	void (*disconnected)(struct virtio_link *link);
};

struct virtio_link {
	const struct virtio_role *role;
	int listener;		/* -1: this end connected, and can't again */
	int socket;		/* -1: nobody there */
	bool up;		/* the rings may be used */
	bool busy;		/* the CPU is never yielded */
	bool started;		/* messages may go to standard error */
	/* What this end offers, and of that what it can't do without: what it will send. */
	uint64_t features, needed;
	const char *lie;	/* what the peer was caught at, until it is dropped */
	uint64_t progress;	/* entries that the peer consumed or produced */
	uint64_t seen_progress;
	uint64_t due_tsc, quiet_tsc;
	uint64_t stuck_tsc;	/* since when sending finds no room; 0: it does */
	uint64_t connects, checks, yields;
	rte_spinlock_t tx_lock;	/* held to send, and to bring the link up or down */
};

/* Named as the front end sees them: host is what it sends, guest what it receives. */
#define VIRTIO_BASE	(1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_NET_F_MRG_RXBUF)
#define VIRTIO_HOST_TSO	(1ULL << VIRTIO_NET_F_HOST_TSO4 | 1ULL << VIRTIO_NET_F_HOST_TSO6)
#define VIRTIO_GUEST_TSO (1ULL << VIRTIO_NET_F_GUEST_TSO4 | 1ULL << VIRTIO_NET_F_GUEST_TSO6)

/* Connect now where this end can; with a listener somebody may come later. */
int virtio_link_start(struct virtio_link *link);

/* Looks for a peer that came, spoke or died: rarely, and never while frames flow. */
void virtio_link_poll(struct virtio_link *link);

/*
 * After each attempt to send: @stuck says that the other end had room for
 * nothing. One that stays so is off its CPU, and may be waiting for ours.
 */
void virtio_link_sent(struct virtio_link *link, bool stuck);

/* Before a sleep: the next look is not skipped. */
void virtio_link_rouse(struct virtio_link *link);

/* An error, for the user. */
void virtio_log(const struct virtio_link *link, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* From the integrator's wait loop: @fd becoming readable ends a sleep. */
void rt_wait_add(int fd);
void rt_wait_del(int fd);

#endif /* RT_VIRTIO_LINK_H */
