// SPDX-License-Identifier: Apache-2.0
/*
 * Random requests of all kinds, 32 in flight, against a model of the disk in
 * memory. Requests in flight never overlap, so the model is exact.
 */
#include <string.h>

#include "disk.h"

enum {
	DEPTH = 32,
	ROUNDS = 5000,
	SEGMENTS_MAX = 16,
	UNIT = 4096,
	UNITS_MAX = 16,			/* of one request */
	AREA_BYTES = UNIT * UNITS_MAX * 2,
};

struct job {
	struct rt_blk_request request;	/* first: completions lead here */
	struct rt_blk_segment segments[SEGMENTS_MAX];
	uint64_t first_unit, units;
	enum rt_blk_op op;
	bool busy;
	char *area;
};

static struct job jobs[DEPTH];
static char *model;
static uint64_t disk_units;

static bool overlaps(uint64_t first, uint64_t units)
{
	for (unsigned int i = 0; i < DEPTH; i++)
		if (jobs[i].busy && first < jobs[i].first_unit + jobs[i].units &&
		    jobs[i].first_unit < first + units)
			return true;
	return false;
}

/* Spread the request over aligned pieces of the area, gaps between them. */
static void scatter(struct job *job)
{
	uint64_t left = job->units * UNIT;
	unsigned int unit = rt_blk_disk(0)->logical_block_bytes;
	char *at = job->area;

	job->request.segment_count = 0;
	while (left) {
		struct rt_blk_segment *segment =
			&job->segments[job->request.segment_count++];
		uint64_t bytes = (1 + rand() % (2 * UNIT / unit)) * unit;

		if (bytes > left || job->request.segment_count == SEGMENTS_MAX)
			bytes = left;
		segment->address = at;
		segment->bytes = bytes;
		at += bytes + (bytes < UNIT ? unit : 0);
		left -= bytes;
	}
	job->request.segments = job->segments;
}

/* The segments as they were before the runtime shortened them. */
static void copy(struct job *job, bool to_model)
{
	char *disk = model + job->first_unit * UNIT;
	uint64_t left = job->units * UNIT;

	for (unsigned int i = 0; left; i++) {
		struct rt_blk_segment *segment = &job->segments[i];

		if (to_model)
			memcpy(disk, segment->address, segment->bytes);
		else
			CHECK(!memcmp(disk, segment->address, segment->bytes));
		disk += segment->bytes;
		left -= segment->bytes;
	}
}

static enum rt_blk_op random_op(void)
{
	bool discard = rt_blk_disk(0)->discard_max_bytes;

	switch (rand() % 20) {
	case 0:
		return RT_BLK_FLUSH;
	case 1:
		return discard ? RT_BLK_DISCARD : RT_BLK_READ;
	case 2:
		return discard ? RT_BLK_ZERO : RT_BLK_READ;
	case 3 ... 10:
		return RT_BLK_WRITE;
	default:
		return RT_BLK_READ;
	}
}

static void begin(struct job *job)
{
	do {
		job->units = 1 + rand() % UNITS_MAX;
		job->first_unit = rand() % (disk_units - job->units);
	} while (overlaps(job->first_unit, job->units));
	memset(&job->request, 0, sizeof(job->request));
	job->op = job->request.op = random_op();
	job->busy = true;
	if (job->op == RT_BLK_FLUSH)
		goto queue;
	job->request.offset_bytes = job->first_unit * UNIT;
	job->request.bytes = job->units * UNIT;
	job->request.fua = rand() % 8 == 0;
	job->request.keep_allocated = rand() % 2;
	scatter(job);
	for (unsigned int i = 0; i < AREA_BYTES / 8; i++)
		((uint64_t *)job->area)[i] = (uint64_t)rand() << 32 | i;
	if (job->op == RT_BLK_WRITE)
		copy(job, true);
queue:
	CHECK(!rt_blk_queue(the_ring, &job->request));
}

static void end(struct job *job)
{
	if (job->request.result) {
		fprintf(stderr, "op %d at %llu: %s\n", job->op,
			(unsigned long long)job->first_unit * UNIT,
			strerror(-job->request.result));
		exit(1);
	}
	if (job->op == RT_BLK_READ)
		copy(job, false);
	if (job->op == RT_BLK_ZERO || job->op == RT_BLK_DISCARD)
		memset(model + job->first_unit * UNIT, 0, job->units * UNIT);
	job->busy = false;
}

static void load_model(void)
{
	disk_units = rt_blk_disk(0)->size_bytes / UNIT;
	model = calloc(disk_units, UNIT);
	for (uint64_t i = 0; i < disk_units; i++) {
		CHECK(!transfer(RT_BLK_READ, i * UNIT, ram, UNIT));
		memcpy(model + i * UNIT, ram, UNIT);
	}
}

static void compare_all(void)
{
	for (uint64_t i = 0; i < disk_units; i++) {
		CHECK(!transfer(RT_BLK_READ, i * UNIT, ram, UNIT));
		CHECK(!memcmp(model + i * UNIT, ram, UNIT));
	}
}

static unsigned int take_completions(void)
{
	struct rt_blk_request *done, *next;
	unsigned int count = 0;

	while (!(done = rt_blk_reap(the_ring, true)))
		wait_for_ring();
	for (; done; done = next, count++) {
		next = done->next;
		end((struct job *)done);
	}
	return count;
}

static void print_stats(void)
{
	struct rt_blk_stats stats;
	unsigned long long requests = 0;

	rt_blk_stats_read(&stats);
	for (unsigned int op = 0; op < RT_BLK_OPS; op++)
		requests += stats.requests[op];
	printf("requests=%llu enters=%llu resubmitted=%llu failed=%llu\n",
	       requests, stats.enters, stats.resubmitted, stats.failed);
}

int hammer(const char *argument)
{
	unsigned int begun = 0, ended = 0;

	srand(argument ? atoi(argument) : 1);
	load_model();
	for (unsigned int i = 0; i < DEPTH; i++)
		jobs[i].area = ram + (size_t)i * AREA_BYTES;
	while (ended < ROUNDS) {
		for (unsigned int i = 0; i < DEPTH && begun < ROUNDS; i++) {
			if (jobs[i].busy || rand() % 4 == 0)
				continue;
			begin(&jobs[i]);
			begun++;
		}
		rt_blk_commit(the_ring);
		if (begun > ended)
			ended += take_completions();
	}
	compare_all();
	print_stats();
	return 0;
}
