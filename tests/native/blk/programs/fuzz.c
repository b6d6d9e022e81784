// SPDX-License-Identifier: Apache-2.0
/* A host that is honest most of the time: every request must end just once. */
#include <string.h>

#include "fake_host.h"

static uint64_t user_data_of(unsigned int slot)
{
	return (uint64_t)ring->slots[slot].generation << 32 | slot;
}

static int32_t false_res(void)
{
	static const int32_t likely[] = { BLOCK, 0, 512, -EAGAIN, -EIO, -ENOSPC,
					  BLOCK + 512, INT32_MIN, INT32_MAX };

	return likely[rand() % 9];
}

/* What an honest host may say of @request. */
static int32_t honest_res(const struct rt_blk_request *request)
{
	if (rand() % 10 == 0)
		return -EIO;
	if (request->op != RT_BLK_READ && request->op != RT_BLK_WRITE)
		return 0;
	return rand() % 4 ? request->bytes : rand() % (request->bytes + 1);
}

/* Complete a random request in flight; a lie now and then. */
static void complete_one(void)
{
	unsigned int slot = rand() % RT_BLK_SLOTS;

	if (rand() % 300 == 0)
		forge((uint64_t)rand() << 33 ^ rand(), false_res());
	else if (rand() % 300 == 0)
		forge(sqes[rand() % SQ_ENTRIES].user_data, BLOCK);
	else if (ring->slots[slot].request)
		forge(user_data_of(slot),
		      rand() % 300 ? honest_res(ring->slots[slot].request) :
				     false_res());
}

static unsigned int queue_some(bool *busy)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < MANY && count < 2; i++) {
		if (busy[i] || rand() % 2)
			continue;
		prepare(i, rand() % RT_BLK_OPS);
		completions[i] = 0;
		if (rt_blk_queue(0, &requests[i]))
			break;
		busy[i] = true;
		count++;
	}
	rt_blk_commit(0);
	return count;
}

static unsigned int take_back(bool *busy)
{
	unsigned int count = reap();

	for (unsigned int i = 0; i < MANY; i++) {
		CHECK(completions[i] <= 1);
		if (completions[i]) {
			CHECK(busy[i]);
			busy[i] = false;
			completions[i] = 0;
		}
	}
	return count;
}

static unsigned int lies;
static unsigned long total;

/* One life of a ring: until the first lie, or 2000 steps. */
static void fuzz_once(void)
{
	bool busy[MANY] = { false };
	unsigned int queued = 0, done = 0;

	start();
	for (unsigned int step = 0; step < 2000 && !rt_blk.failure; step++) {
		queued += queue_some(busy);
		if (rand() % 500 == 0)
			host->cq_tail += rand() % 3;
		if (rand() % 50 == 0)
			enter_result = rand() % 2 ? -EAGAIN : rand() % 3;
		else
			enter_result = -1;
		complete_one();
		done += take_back(busy);
	}
	if (rt_blk.failure) {
		done += take_back(busy);
		CHECK(queued == done);
	}
	total += done;
	lies += rt_blk.failure != NULL;
	stop();
}

void fuzz(unsigned int seed)
{
	srand(seed);
	for (unsigned int life = 0; life < 1000; life++)
		fuzz_once();
	printf("%u of 1000 rings met a lie, %lu requests\n", lies, total);
}
