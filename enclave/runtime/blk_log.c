// SPDX-License-Identifier: GPL-2.0-only
/* Tests only: a log of writes and flushes; see blk_log.h. */
#include "blk_log.h"
#include "blk.h"

static struct {
	unsigned char *shared;	/* NULL: off */
	uint64_t size;
} log;

void rt_blk_log_into(void *shared, uint64_t size)
{
	log.shared = shared;
	log.size = size;
	*(uint64_t *)shared = sizeof(uint64_t);
}

static void copy(unsigned char *to, const void *from, uint64_t bytes)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
}

void rt_blk_log(enum rt_blk_log_kind kind, const struct rt_blk_request *request)
{
	bool data = kind == RT_BLK_LOG_BEGIN && request->op == RT_BLK_WRITE;
	struct rt_blk_log_entry entry = {
		.kind = kind, .op = request->op, .disk = request->disk,
		.fua = request->fua, .id = (uintptr_t)request,
		.offset_bytes = request->offset_bytes, .bytes = request->bytes,
	};
	uint64_t bytes = sizeof(entry) + (data ? request->bytes : 0);
	uint64_t at;

	if (!log.shared || request->op == RT_BLK_READ)
		return;
	at = __atomic_fetch_add((uint64_t *)log.shared, bytes, __ATOMIC_RELAXED);
	if (at + bytes > log.size)
		return;		/* the reader sees that more was used than there is */
	copy(log.shared + at, &entry, sizeof(entry));
	at += sizeof(entry);
	for (unsigned int i = 0; data && i < request->segment_count; i++) {
		copy(log.shared + at, request->segments[i].address, request->segments[i].bytes);
		at += request->segments[i].bytes;
	}
}
