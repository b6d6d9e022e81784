// SPDX-License-Identifier: Apache-2.0
/* 4 KiB random requests for three seconds, by an adaptive poll loop. */
#include <string.h>
#include <time.h>

#include "disk.h"

enum { DEPTH_MAX = 128, BLOCK = 4096 };

static struct rt_blk_request requests[DEPTH_MAX];
static struct rt_blk_segment segments[DEPTH_MAX];

static double now_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec * 1e-9;
}

static void queue(unsigned int i, enum rt_blk_op op)
{
	uint64_t blocks = rt_blk_disk(0)->size_bytes / BLOCK;

	segments[i] = (struct rt_blk_segment){ ram + (size_t)i * BLOCK, BLOCK };
	requests[i] = (struct rt_blk_request){
		.op = op,
		.segments = &segments[i],
		.segment_count = 1,
		.offset_bytes = rand() % blocks * BLOCK,
		.bytes = BLOCK,
	};
	CHECK(!rt_blk_queue(the_ring, &requests[i]));
}

/* Spin a little, then sleep in the host: as an idle CPU does. */
static void wait_adaptively(void)
{
	double start = now_seconds();

	while (!rt_blk_pending(the_ring, true)) {
		if (now_seconds() - start < 50e-6)
			__builtin_ia32_pause();
		else
			wait_for_ring();
	}
}

static int bench(enum rt_blk_op op, unsigned int depth)
{
	double start = now_seconds(), seconds = 0;
	struct rt_blk_request *done, *next;
	struct rt_blk_stats stats;
	unsigned long count = 0;

	CHECK(depth && depth <= DEPTH_MAX);
	for (unsigned int i = 0; i < depth; i++)
		queue(i, op);
	rt_blk_commit(the_ring);
	while (seconds < 3) {
		wait_adaptively();
		for (done = rt_blk_reap(the_ring, true); done; done = next, count++) {
			next = done->next;
			CHECK(!done->result);
			queue(done - requests, op);
		}
		rt_blk_commit(the_ring);
		seconds = now_seconds() - start;
	}
	rt_blk_stats_read(&stats);
	printf("depth=%u iops=%.0f enters_per_request=%.3f\n", depth,
	       count / seconds, (double)stats.enters / count);
	return 0;
}

int bench_read(const char *argument)
{
	return bench(RT_BLK_READ, argument ? atoi(argument) : 1);
}

int bench_write(const char *argument)
{
	return bench(RT_BLK_WRITE, argument ? atoi(argument) : 1);
}
