// SPDX-License-Identifier: Apache-2.0
/* Single requests, and the commands made of them. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "disk.h"

enum { RECORD_BYTES = 4096, CHUNK_BYTES = 256 << 10 };

int run_request(struct rt_blk_request *request)
{
	struct rt_blk_request *done = NULL;

	CHECK(!rt_blk_queue(the_ring, request));
	rt_blk_commit(the_ring);
	while (!(done = rt_blk_reap(the_ring, true)))
		wait_for_ring();
	CHECK(done == request && !done->next);
	return done->result;
}

int transfer(enum rt_blk_op op, uint64_t offset, void *memory, uint64_t bytes)
{
	struct rt_blk_segment segment = { memory, bytes };
	struct rt_blk_request request = {
		.op = op,
		.segments = &segment,
		.segment_count = 1,
		.offset_bytes = offset,
		.bytes = bytes,
	};

	return run_request(&request);
}

int flush(void)
{
	struct rt_blk_request request = { .op = RT_BLK_FLUSH };

	return run_request(&request);
}

/* Write the whole disk; the first error is printed and ends it. */
int fill(const char *argument)
{
	uint64_t size = rt_blk_disk(0)->size_bytes;
	int err;

	memset(ram, 'x', CHUNK_BYTES);
	for (uint64_t at = 0; at + CHUNK_BYTES <= size; at += CHUNK_BYTES) {
		err = transfer(RT_BLK_WRITE, at, ram, CHUNK_BYTES);
		if (err) {
			printf("%llu %s\n", (unsigned long long)at,
			       strerror(-err));
			CHECK(!transfer(RT_BLK_READ, 0, ram, RECORD_BYTES));
			CHECK(!rt_blk_failure());
			return 0;
		}
	}
	printf("full\n");
	return 0;
}

/* The host shortened the file to @argument bytes: data before, errors after. */
int read_past_the_end(const char *argument)
{
	uint64_t end = strtoull(argument, NULL, 0);
	uint64_t size = rt_blk_disk(0)->size_bytes;
	uint64_t start = end < CHUNK_BYTES ? 0 : end - CHUNK_BYTES;

	CHECK(end < size);
	if (end)
		CHECK(!transfer(RT_BLK_READ, start, ram, end - start));
	memset(ram, '?', CHUNK_BYTES * 2);
	CHECK(transfer(RT_BLK_READ, end, ram, size - end) == -EIO);
	CHECK(transfer(RT_BLK_READ, start, ram, size - start) == -EIO);
	CHECK(!rt_blk_failure());
	return 0;
}

/* Number the blocks of the disk; a number is printed once it is flushed. */
int journal(const char *argument)
{
	uint64_t count = rt_blk_disk(0)->size_bytes / RECORD_BYTES;

	for (uint64_t i = 0; i < count; i++) {
		for (unsigned int word = 0; word < RECORD_BYTES / 8; word++)
			((uint64_t *)ram)[word] = i + 1;
		CHECK(!transfer(RT_BLK_WRITE, i * RECORD_BYTES, ram,
				RECORD_BYTES));
		CHECK(!flush());
		dprintf(1, "%llu\n", (unsigned long long)i + 1);
	}
	return 0;
}
