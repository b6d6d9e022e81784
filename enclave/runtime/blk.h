/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Disks: what the files blk*.c of the runtime share. The library kernel sees
 * asm/runtime_blk.h only.
 */
#ifndef RT_BLK_H
#define RT_BLK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/io_uring.h>

#include "../libos/overlay/arch/libos/include/asm/runtime_blk.h"
#include "launch.h"

/* Requests in flight per ring, and entries of its submission queue. */
enum { RT_BLK_SLOTS = 256 };

/* Retries of a request that the host answered with EAGAIN or EINTR. */
enum { RT_BLK_RETRIES = 8 };

/* What the completion's user_data must lead back to; private memory. */
struct rt_blk_slot {
	struct rt_blk_request *request;	/* NULL: free */
	uint32_t generation;		/* counts the uses of this slot */
	uint32_t sq_position;		/* where in the submission queue */
	uint16_t next_free;
};

/* What goes back to the driver. */
struct rt_blk_outbox {
	struct rt_blk_request *done;	/* completed, not reaped yet */
	struct rt_blk_request **done_last;
	struct rt_blk_stats stats;
};

/*
 * One io_uring. What the host can write to is reached through untrusted_*
 * only; offsets, sizes and masks were checked at start and are kept here.
 */
struct rt_blk_ring {
	int fd;				/* -1: synchronous system calls instead */
	uint32_t sq_mask;
	uint32_t cq_mask;
	uint32_t sq_tail;
	uint32_t cq_head;
	uint32_t unsubmitted;		/* last entries before sq_tail */
	uint32_t in_flight;		/* slots in use */
	uint16_t first_free;
	struct io_uring_sqe *untrusted_sqes;
	uint32_t *untrusted_sq_tail;
	const uint32_t *untrusted_sq_flags;
	const uint32_t *untrusted_cq_tail;
	uint32_t *untrusted_cq_head;
	const struct io_uring_cqe *untrusted_cqes;
	/* In the place of io_uring_enter(): a baseline's hand-over. NULL, as a rule. */
	long (*enter)(int fd, unsigned int to_submit, unsigned int min_complete,
		      unsigned int flags);
	struct rt_blk_outbox out;
	struct rt_blk_slot slots[RT_BLK_SLOTS];
};

struct rt_blk_vhost_disk;

struct rt_blk_disk {
	int fd;				/* a file; -1: not a file */
	struct rt_blk_vhost_disk *vhost;	/* blk_vhost.h; NULL: a file */
	struct rt_blk_disk_info info;
};

struct rt_blk {
	unsigned int disk_count;
	unsigned int ring_count;	/* io_urings */
	unsigned int file_count;	/* disks that use them */
	unsigned int vhost_count;	/* queues of vhost-user disks: rings after those */
	struct rt_blk_disk disks[LAUNCH_DISKS_MAX];
	struct rt_blk_ring *rings;
	struct rt_blk_vhost_queue *vhost_queues;
	const char *failure;
};

extern struct rt_blk rt_blk;

/* Who serves the rings in io_uring's place: a baseline. NULL, as a rule. */
struct rt_blk_carrier {
	int (*start_ring)(struct rt_blk_ring *ring);	/* 0 or -errno */
	void (*start)(void);				/* once all rings are there */
};
extern const struct rt_blk_carrier *rt_blk_carrier;

/*
 * Start-up, before the lock-down: find out what the @disk_count @disks can do
 * and set up one ring for each of @cpus CPUs. Returns 0, or -errno with one
 * line (no newline) for the user in @error. Descriptors stay the caller's and
 * must stay open.
 */
int rt_blk_start(const struct rt_launch_disk *disks, unsigned int disk_count,
		 unsigned int cpus, char *error, size_t error_size);

/* True when io_uring carries the disks, false for synchronous system calls. */
bool rt_blk_uses_io_uring(void);

/* The eventfd that wakes the back end of a ring; -1: none. */
int rt_blk_ring_kick_fd(unsigned int ring);

/*
 * blk_layout.c: lay @ring over the memory of an io_uring of the host. @rings
 * and @sqes are the two mappings, of the given sizes, and @host_params is
 * what io_uring_setup returned. -EPROTO when the host's geometry is a lie.
 */
int rt_blk_ring_init(struct rt_blk_ring *ring, int fd, void *rings,
		     size_t rings_bytes, void *sqes, size_t sqes_bytes,
		     const struct io_uring_params *host_params);
void rt_blk_ring_init_synchronous(struct rt_blk_ring *ring);

/* blk_ring.c: as the calls of asm/runtime_blk.h, for one io_uring. */
int rt_blk_ring_queue(struct rt_blk_ring *ring, struct rt_blk_request *request);
void rt_blk_ring_commit(struct rt_blk_ring *ring);
bool rt_blk_ring_pending(const struct rt_blk_ring *ring, bool own);
struct rt_blk_request *rt_blk_ring_reap(struct rt_blk_ring *ring, bool own);

/* blk_ring.c: move @request past @bytes that were transferred. */
void rt_blk_request_advance(struct rt_blk_request *request, uint64_t bytes);

/* blk_calls.c: give @request back to the caller: it will be in the next reap. */
void rt_blk_request_finish(struct rt_blk_outbox *out,
			   struct rt_blk_request *request, int result);

/* Note that @request was taken. */
void rt_blk_request_count(struct rt_blk_outbox *out,
			  const struct rt_blk_request *request);

/* All of the outbox, which is empty then. */
struct rt_blk_request *rt_blk_take_done(struct rt_blk_outbox *out);

/* blk_sync.c: carry out @request now, by system calls that block. */
int rt_blk_sync_run(struct rt_blk_ring *ring, struct rt_blk_request *request);

#endif /* RT_BLK_H */
