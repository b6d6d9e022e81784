// SPDX-License-Identifier: Apache-2.0
/*
 * The rings of the NVMe driver against register and queue models that lie.
 * `liar CASE` says on one line what the driver made of it; built with ASan and
 * UBSan, so that a wild access is the end.
 */
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ring.h"

enum { ENTRIES = 16, BAR_BYTES = 0x4000, COMMANDS = 8, QUEUE = 1 };

static const struct ring_limits plain = {
	.entries = ENTRIES, .queues = 8, .doorbell_bytes = 4,
};

struct cqe {
	u64 result;
	u16 sq_head, sq_id, id, status;
};

/* Exactly as large as promised: one byte beyond, and ASan sees it. */
struct model {
	struct ring ring;
	u64 *sq;
	struct cqe *cq;
	u32 *bar;
	u16 head, phase, taken;
	int owners[COMMANDS];
};

static struct model *make(void)
{
	struct model *m = calloc(1, sizeof(*m));

	m->sq = calloc(ENTRIES, RING_SQE_BYTES);
	m->cq = calloc(ENTRIES, RING_CQE_BYTES);
	m->bar = calloc(1, BAR_BYTES);
	m->phase = 1;
	ring_reset(&m->ring, QUEUE, ENTRIES, m->sq, m->cq, m->bar, &plain);
	return m;
}

static void drop(struct model *m)
{
	free(m->sq);
	free(m->cq);
	free(m->bar);
	free(m);
}

static u16 submit(struct model *m, int *owner)
{
	u64 command[8] = { 2 };
	int id = ring_submit(&m->ring, command, owner);

	assert(id >= 0);
	ring_ring(&m->ring);
	m->taken = (m->taken + 1) % ENTRIES;
	return id;
}

static void post(struct model *m, struct cqe cqe)
{
	cqe.status = (cqe.status & ~1) | m->phase;
	m->cq[m->head] = cqe;
	m->head = (m->head + 1) % ENTRIES;
	if (!m->head)
		m->phase ^= 1;
}

static void answer(struct model *m, u16 id)
{
	post(m, (struct cqe){ .sq_head = m->taken, .sq_id = QUEUE, .id = id });
}

/* Take what there is; the owner of the last one, or NULL. */
static int *reap(struct model *m)
{
	struct ring_completion done = { 0 };
	int *owner = NULL;

	while (ring_reap(&m->ring, &done))
		owner = done.owner;
	ring_consumed(&m->ring);
	return owner;
}

static const char *verdict(struct model *m)
{
	u64 command[8] = { 0 };

	if (m->ring.lie)
		assert(ring_submit(&m->ring, command, m->owners) < 0 && !ring_pending(&m->ring));
	return ring_lie_text(m->ring.lie);
}

/* ---- Cases ---- */

static const char *honest(struct model *m)
{
	for (int i = 0; i < 1000; i++) {
		int *owner = &m->owners[i % COMMANDS];

		answer(m, submit(m, owner));
		assert(ring_pending(&m->ring));
		assert(reap(m) == owner);
		assert(!ring_pending(&m->ring) && !m->ring.in_flight);
	}
	return verdict(m);
}

static const char *full(struct model *m)
{
	u64 command[8] = { 0 };
	u16 ids[ENTRIES];

	for (int i = 0; i < ENTRIES - 1; i++)
		ids[i] = submit(m, &m->owners[i % COMMANDS]);
	assert(ring_submit(&m->ring, command, m->owners) < 0);
	for (int i = ENTRIES - 2; i >= 0; i--)
		answer(m, ids[i]);
	reap(m);
	assert(!m->ring.in_flight && submit(m, m->owners) != ids[0]);
	return verdict(m);
}

static const char *unknown_id(struct model *m)
{
	submit(m, m->owners);
	answer(m, 0x1234);
	reap(m);
	return verdict(m);
}

static const char *id_out_of_range(struct model *m)
{
	u16 id = submit(m, m->owners);

	answer(m, (id & 0xff00) | 0xff);
	reap(m);
	return verdict(m);
}

static const char *duplicate(struct model *m)
{
	u16 id = submit(m, &m->owners[0]);

	submit(m, &m->owners[1]);
	answer(m, id);
	assert(reap(m) == &m->owners[0]);
	answer(m, id);
	assert(!reap(m));
	return verdict(m);
}

/* The slot is in use again, by another command. */
static const char *duplicate_of_reused(struct model *m)
{
	u16 id = submit(m, &m->owners[0]);

	answer(m, id);
	reap(m);
	assert((submit(m, &m->owners[1]) & 0xff) == (id & 0xff));
	answer(m, id);
	assert(!reap(m));
	return verdict(m);
}

static const char *wrong_queue(struct model *m)
{
	u16 id = submit(m, m->owners);

	post(m, (struct cqe){ .sq_head = m->taken, .sq_id = QUEUE + 1, .id = id });
	assert(!reap(m));
	return verdict(m);
}

static const char *head_ahead(struct model *m)
{
	u16 id = submit(m, m->owners);

	post(m, (struct cqe){ .sq_head = m->taken + 1, .sq_id = QUEUE, .id = id });
	assert(!reap(m));
	return verdict(m);
}

static const char *head_out_of_range(struct model *m)
{
	u16 id = submit(m, m->owners);

	post(m, (struct cqe){ .sq_head = 0xffff, .sq_id = QUEUE, .id = id });
	assert(!reap(m));
	return verdict(m);
}

/* Each entry of the wrong phase: nothing is there, and nothing ever comes. */
static const char *wrong_phase(struct model *m)
{
	u16 id = submit(m, m->owners);

	for (int i = 0; i < ENTRIES; i++)
		m->cq[i] = (struct cqe){ .sq_head = 1, .sq_id = QUEUE, .id = id };
	assert(!reap(m) && m->ring.in_flight == 1);
	return verdict(m);
}

static const char *all_ones(struct model *m)
{
	submit(m, m->owners);
	memset(m->cq, 0xff, ENTRIES * sizeof(*m->cq));
	memset(m->bar, 0xff, BAR_BYTES);
	assert(!reap(m));
	return verdict(m);
}

/* Status is the application's to see; no value of it touches the ring. */
static const char *status_garbage(struct model *m)
{
	struct ring_completion done;

	for (int status = 0; status < 0x10000; status += 2) {
		u16 id = submit(m, m->owners);

		post(m, (struct cqe){ .sq_head = m->taken, .sq_id = QUEUE, .id = id,
				      .status = status });
		assert(ring_reap(&m->ring, &done) && done.status >> 1 == status >> 1);
	}
	return verdict(m);
}

/* Doorbells are written and never read. */
static const char *stuck_doorbells(struct model *m)
{
	for (int i = 0; i < 100; i++) {
		memset(m->bar, i, BAR_BYTES);
		answer(m, submit(m, m->owners));
		assert(reap(m) == m->owners);
	}
	return verdict(m);
}

/* What was in flight comes back once, to be failed. */
static const char *forgotten(struct model *m)
{
	submit(m, &m->owners[0]);
	submit(m, &m->owners[1]);
	answer(m, 0x7777);
	reap(m);
	assert(ring_forget(&m->ring) && ring_forget(&m->ring) && !ring_forget(&m->ring));
	return verdict(m);
}

static const char *late_after_reset(struct model *m)
{
	u16 id = submit(m, m->owners);

	ring_reset(&m->ring, QUEUE, ENTRIES, m->sq, m->cq, m->bar, &plain);
	m->head = m->taken = 0;
	m->phase = 1;
	submit(m, &m->owners[1]);
	answer(m, id);
	assert(!reap(m));
	return verdict(m);
}

struct racer {
	struct model *m;
	bool stop;
};

static void *scribble(void *arg)
{
	struct racer *racer = arg;
	volatile u32 *words = (volatile u32 *)racer->m->cq;
	unsigned int seed = 7;

	while (!__atomic_load_n(&racer->stop, __ATOMIC_RELAXED))
		words[(unsigned int)rand_r(&seed) % (ENTRIES * 4)] = (u32)rand_r(&seed) << 1 | 1;
	return NULL;
}

/* A thread changes entries all the time: between two reads of them too. */
static const char *race(struct model *m)
{
	struct racer racer = { .m = m };
	struct ring_completion done;
	pthread_t thread;

	pthread_create(&thread, NULL, scribble, &racer);
	for (int i = 0; i < 20000; i++) {
		u64 command[8] = { 0 };

		ring_submit(&m->ring, command, &m->owners[i % COMMANDS]);
		while (ring_reap(&m->ring, &done))
			assert((int *)done.owner >= m->owners &&
			       (int *)done.owner < m->owners + COMMANDS);
		if (m->ring.lie)
			ring_reset(&m->ring, QUEUE, ENTRIES, m->sq, m->cq, m->bar, &plain);
	}
	__atomic_store_n(&racer.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	return "survived";
}

static u64 cap(u64 mqes, u64 stride, u64 page_min, u64 nvm)
{
	return mqes | stride << 32 | nvm << 37 | page_min << 48;
}

static const char *capabilities(struct model *m)
{
	struct ring_limits limits;

	(void)m;
	assert(!ring_limits_read(cap(2047, 0, 0, 1), 0x4000, &limits));
	assert(limits.entries == RING_ENTRIES_MAX && limits.queues == 0x3000 / 8);
	assert(!ring_limits_read(cap(3, 0, 0, 1), 0x2000, &limits) && limits.entries == 4);
	assert(ring_limits_read(~0ULL, 0x4000, &limits));
	assert(ring_limits_read(cap(0, 0, 0, 1), 0x4000, &limits));
	assert(ring_limits_read(cap(2047, 0, 1, 1), 0x4000, &limits));
	assert(ring_limits_read(cap(2047, 0, 0, 0), 0x4000, &limits));
	/* Doorbells so far apart that the second queue's lie beyond the BAR. */
	assert(ring_limits_read(cap(2047, 15, 0, 1), 0x4000, &limits));
	assert(ring_limits_read(cap(2047, 0, 0, 1), 0x1000, &limits));
	assert(ring_limits_read(cap(2047, 0, 0, 1), 0, &limits));
	return "each was found out";
}

static const struct {
	const char *name;
	const char *(*run)(struct model *m);
} cases[] = {
	{ "honest", honest },
	{ "full", full },
	{ "unknown-id", unknown_id },
	{ "id-out-of-range", id_out_of_range },
	{ "duplicate", duplicate },
	{ "duplicate-of-reused", duplicate_of_reused },
	{ "wrong-queue", wrong_queue },
	{ "head-ahead", head_ahead },
	{ "head-out-of-range", head_out_of_range },
	{ "wrong-phase", wrong_phase },
	{ "all-ones", all_ones },
	{ "status-garbage", status_garbage },
	{ "stuck-doorbells", stuck_doorbells },
	{ "forgotten", forgotten },
	{ "late-after-reset", late_after_reset },
	{ "race", race },
	{ "capabilities", capabilities },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct model *m;

		if (strcmp(argv[1], cases[i].name))
			continue;
		m = make();
		puts(cases[i].run(m));
		drop(m);
		return 0;
	}
	return 2;
}
