/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests only (insecure_block_log=FD): what reached the disks, and when, in a
 * file that this process shares. Native byte order: a word with the bytes
 * used, this word too; then entries, each followed by the data of a write.
 */
#ifndef RT_BLK_LOG_H
#define RT_BLK_LOG_H

#include <stdint.h>

struct rt_blk_request;

enum rt_blk_log_kind {
	RT_BLK_LOG_BEGIN = 1,		/* the host was asked; a write: with its data */
	RT_BLK_LOG_END = 2,		/* the host said that it is done */
};

struct rt_blk_log_entry {
	uint32_t kind;
	uint32_t op;			/* enum rt_blk_op */
	uint32_t disk;
	uint32_t fua;
	uint64_t id;			/* the same in both entries of a request */
	uint64_t offset_bytes;
	uint64_t bytes;
};

/* Begin a log in @size bytes of memory that is the file's. */
void rt_blk_log_into(void *shared, uint64_t size);

/* Anything but a read. Does nothing unless it was started. */
void rt_blk_log(enum rt_blk_log_kind kind, const struct rt_blk_request *request);

#endif /* RT_BLK_LOG_H */
