/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Disks, as the runtime offers them to the library kernel's block driver.
 *
 * Rings come first one per CPU, that is per host thread, for all disks that
 * are files (io_uring); then the queues of the disks that have back ends of
 * their own (vhost-user), which any CPU may use. All calls that name
 * the same ring must be serialised by the caller (the driver holds the ring's
 * lock with interrupts off). None of them sleeps, allocates, or touches FPU
 * and TLS. Only basic C types here: kernel and runtime both include this file.
 */
#ifndef _ASM_LIBOS_RUNTIME_BLK_H
#define _ASM_LIBOS_RUNTIME_BLK_H

enum rt_blk_op {
	RT_BLK_READ,
	RT_BLK_WRITE,
	RT_BLK_FLUSH,		/* all completed writes reach stable storage */
	RT_BLK_DISCARD,		/* contents become zeroes or stay: not defined */
	RT_BLK_ZERO,		/* contents become zeroes */
	RT_BLK_OPS,
};

/* The layout of struct iovec. */
struct rt_blk_segment {
	void *address;
	unsigned long bytes;
};

struct rt_blk_disk_info {
	unsigned long long size_bytes;	/* a multiple of logical_block_bytes */
	unsigned int logical_block_bytes;
	unsigned int physical_block_bytes;
	unsigned int best_bytes;	/* of a transfer; 0: not known */
	unsigned int memory_align_bytes;
	unsigned int transfer_max_bytes;
	unsigned int zero_max_bytes;	/* RT_BLK_ZERO works on as many; 0: not at all */
	unsigned int discard_max_bytes;	/* RT_BLK_DISCARD, alike */
	unsigned int discard_unit_bytes;
	_Bool readonly;
	_Bool write_cache;		/* what completes is stable after RT_BLK_FLUSH only */
	_Bool fua;
};

/*
 * One request. The caller owns it and its segments, fills the first part and
 * leaves all of it alone until rt_blk_reap() hands it back; the runtime
 * shortens the segments when the host transfers less than asked.
 */
struct rt_blk_request {
	enum rt_blk_op op;
	unsigned int disk;
	_Bool fua;			/* write: stable before completion */
	_Bool keep_allocated;		/* zero: don't give the space back */
	unsigned int segment_count;	/* read, write: at most 1024 */
	unsigned long long offset_bytes;
	unsigned long long bytes;	/* sum of the segments, below 2 GiB, or the range */
	struct rt_blk_segment *segments;

	int result;			/* 0 or -errno */
	struct rt_blk_request *next;	/* in the list rt_blk_reap() returns */

	unsigned int retries;		/* the runtime's own */
};

struct rt_blk_stats {
	unsigned long long requests[RT_BLK_OPS];
	unsigned long long read_bytes;
	unsigned long long written_bytes;
	unsigned long long enters;	/* host calls for disks that are files */
	unsigned long long kicks;	/* host calls that wake back ends */
	unsigned long long looks;	/* ... that ask whether they are there */
	unsigned long long resubmitted;	/* rest of a short transfer, or a retry */
	unsigned long long failed;
};

unsigned int rt_blk_disk_count(void);
const struct rt_blk_disk_info *rt_blk_disk(unsigned int disk);

/* All of them. A ring of a file is submitted to by its CPU's host thread only. */
unsigned int rt_blk_ring_count(void);

/* The ring for requests to @disk from @cpu. */
unsigned int rt_blk_ring_of(unsigned int disk, unsigned int cpu);

/* The one disk that @ring is for, or -1. */
int rt_blk_ring_disk(unsigned int ring);

/* Readable when rt_blk_reap() of a ring of @disk has news to look at; -1: never. */
int rt_blk_disk_fd(unsigned int disk);

/* What the user should know of @disk's back end since the last call; or NULL. */
const char *rt_blk_disk_news(unsigned int disk);

/* Readable (POLLIN) when rt_blk_reap() has work; -1: never needs waiting for. */
int rt_blk_ring_fd(unsigned int ring);

/* Take @request. 0; -EBUSY: ring full; -EIO: the disks are shut down. */
int rt_blk_queue(unsigned int ring, struct rt_blk_request *request);

/* Hand all queued requests to the host: one host call. */
void rt_blk_commit(unsigned int ring);

/* Cheap and lock-free: would rt_blk_reap() with the same @own find work? */
_Bool rt_blk_pending(unsigned int ring, _Bool own);

/* Before a sleep: make the ring's descriptor tell. True: there is work already. */
_Bool rt_blk_arm(unsigned int ring, _Bool own);

/*
 * Completed requests, linked by next. @own: the caller is on the ring's CPU,
 * and may therefore call the host to move completions forward.
 */
struct rt_blk_request *rt_blk_reap(unsigned int ring, _Bool own);

/*
 * Why the disks that are files were shut down: the host broke the protocol, or refused to
 * work. NULL while all is well. Every request then fails with -EIO.
 */
const char *rt_blk_failure(void);

void rt_blk_stats_read(struct rt_blk_stats *ret);

#endif /* _ASM_LIBOS_RUNTIME_BLK_H */
