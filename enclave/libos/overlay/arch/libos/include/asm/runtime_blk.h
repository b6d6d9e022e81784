/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Disks, as the runtime offers them to the library kernel's block driver.
 *
 * A ring belongs to one CPU, that is to one host thread. All calls that name
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
	unsigned int memory_align_bytes;
	_Bool readonly;
	_Bool discard;			/* RT_BLK_DISCARD and RT_BLK_ZERO work */
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
	unsigned long long enters;	/* host calls */
	unsigned long long resubmitted;	/* rest of a short transfer, or a retry */
	unsigned long long failed;
};

unsigned int rt_blk_disk_count(void);
const struct rt_blk_disk_info *rt_blk_disk(unsigned int disk);

/* One per CPU; ring n is submitted to by CPU n's host thread only. */
unsigned int rt_blk_ring_count(void);

/* Readable (POLLIN) when rt_blk_reap() has work; -1: never needs waiting for. */
int rt_blk_ring_fd(unsigned int ring);

/* Take @request. 0; -EBUSY: ring full; -EIO: the disks are shut down. */
int rt_blk_queue(unsigned int ring, struct rt_blk_request *request);

/* Hand all queued requests to the host: one host call. */
void rt_blk_commit(unsigned int ring);

/* Cheap and lock-free: would rt_blk_reap() with the same @own find work? */
_Bool rt_blk_pending(unsigned int ring, _Bool own);

/*
 * Completed requests, linked by next. @own: the caller is on the ring's CPU,
 * and may therefore call the host to move completions forward.
 */
struct rt_blk_request *rt_blk_reap(unsigned int ring, _Bool own);

/*
 * Why the disks were shut down: the host broke the protocol, or refused to
 * work. NULL while all is well. Every request then fails with -EIO.
 */
const char *rt_blk_failure(void);

void rt_blk_stats_read(struct rt_blk_stats *ret);

#endif /* _ASM_LIBOS_RUNTIME_BLK_H */
