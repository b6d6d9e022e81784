// SPDX-License-Identifier: Apache-2.0
/*
 * The host lies: forged completions and geometries against blk_ring.c.
 * `hostile --list` names the cases, `hostile NAME` runs one, and
 * `hostile fuzz SEED` lies at random.
 */
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>

#include "fake_host.h"

/* All that was in flight failed, once each, and nothing goes in any more. */
static void check_shut_down(unsigned int in_flight)
{
	CHECK(reap() == in_flight);
	for (unsigned int i = 0; i < in_flight; i++)
		CHECK(completions[i] == 1 && requests[i].result == -EIO);
	CHECK(rt_blk_failure());
	CHECK(rt_blk_queue(0, prepare(MANY - 1, RT_BLK_READ)) == -EIO);
	CHECK(reap() == 0);
	CHECK(!rt_blk_pending(0, true));
}

/* ---- An honest host ---- */

static void honest_completion(void)
{
	submit(0, RT_BLK_READ);
	CHECK(last_sqe()->opcode == IORING_OP_READ);
	forge(last_sqe()->user_data, BLOCK);
	CHECK(rt_blk_pending(0, false));
	CHECK(reap() == 1);
	CHECK(requests[0].result == 0 && host->cq_head == 1);
	CHECK(!rt_blk_failure() && !rt_blk_pending(0, true));
}

static void flush_is_fdatasync_of_the_whole_file(void)
{
	submit(0, RT_BLK_FLUSH);
	CHECK(last_sqe()->opcode == IORING_OP_FSYNC);
	CHECK(last_sqe()->fsync_flags == IORING_FSYNC_DATASYNC);
	CHECK(!last_sqe()->off && !last_sqe()->len && !last_sqe()->addr);
	forge(last_sqe()->user_data, 0);
	CHECK(reap() == 1 && requests[0].result == 0);
}

static void fua_write_is_dsync(void)
{
	prepare(0, RT_BLK_WRITE)->fua = true;
	CHECK(rt_blk_queue(0, &requests[0]) == 0);
	rt_blk_commit(0);
	CHECK(last_sqe()->opcode == IORING_OP_WRITE);
	CHECK(last_sqe()->rw_flags == RWF_DSYNC);
}

static void discard_keeps_the_size(void)
{
	submit(0, RT_BLK_DISCARD);
	CHECK(last_sqe()->opcode == IORING_OP_FALLOCATE);
	CHECK(last_sqe()->len == (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE));
	CHECK(last_sqe()->addr == BLOCK);
}

static void zero_range_falls_back_to_a_hole(void)
{
	prepare(0, RT_BLK_ZERO)->keep_allocated = true;
	CHECK(rt_blk_queue(0, &requests[0]) == 0);
	rt_blk_commit(0);
	CHECK(last_sqe()->len & FALLOC_FL_ZERO_RANGE);
	forge(last_sqe()->user_data, -EOPNOTSUPP);
	CHECK(reap() == 0);
	CHECK(last_sqe()->len & FALLOC_FL_PUNCH_HOLE);
	forge(last_sqe()->user_data, 0);
	CHECK(reap() == 1 && requests[0].result == 0);
}

static void short_transfer_is_continued(void)
{
	struct rt_blk_segment vector[3] = {
		{ block, 512 }, { block + 512, 512 }, { block + 1024, 3072 }
	};

	prepare(0, RT_BLK_READ)->segments = vector;
	requests[0].segment_count = 3;
	CHECK(rt_blk_queue(0, &requests[0]) == 0);
	rt_blk_commit(0);
	CHECK(last_sqe()->opcode == IORING_OP_READV && last_sqe()->len == 3);
	forge(last_sqe()->user_data, 1024 + 512);
	CHECK(reap() == 0);
	CHECK(host->sq_tail == 2 && last_sqe()->off == 1536);
	CHECK(last_sqe()->opcode == IORING_OP_READ);
	CHECK(last_sqe()->addr == (uintptr_t)(block + 1536));
	CHECK(last_sqe()->len == 2560);
	forge(last_sqe()->user_data, 2560);
	CHECK(reap() == 1 && requests[0].result == 0);
}

static void end_of_a_truncated_file_is_an_error(void)
{
	submit(0, RT_BLK_READ);
	forge(last_sqe()->user_data, 0);
	CHECK(reap() == 1 && requests[0].result == -EIO);
	CHECK(!rt_blk_failure());
}

static void full_host_disk_is_reported(void)
{
	submit(0, RT_BLK_WRITE);
	forge(last_sqe()->user_data, -ENOSPC);
	CHECK(reap() == 1 && requests[0].result == -ENOSPC);
	CHECK(!rt_blk_failure());
}

static void endless_eagain_ends(void)
{
	unsigned int answers = 0;

	submit(0, RT_BLK_READ);
	do {
		forge(last_sqe()->user_data, -EAGAIN);
		answers++;
	} while (!reap());
	CHECK(answers == RT_BLK_RETRIES + 1);
	CHECK(requests[0].result == -EAGAIN && !rt_blk_failure());
}

static void full_ring_is_busy(void)
{
	for (unsigned int i = 0; i < RT_BLK_SLOTS; i++)
		submit(i, RT_BLK_READ);
	CHECK(rt_blk_queue(0, prepare(0, RT_BLK_READ)) == -EBUSY);
	forge(sqes[5].user_data, BLOCK);
	CHECK(reap() == 1);
	CHECK(rt_blk_queue(0, &requests[5]) == 0);
	CHECK(!rt_blk_failure());
}

static void busy_host_is_asked_again(void)
{
	enter_result = -EAGAIN;
	submit(0, RT_BLK_READ);
	CHECK(rt_blk_pending(0, true));
	enter_result = -1;
	entered = 0;
	CHECK(reap() == 0 && entered == 1);
	forge(last_sqe()->user_data, BLOCK);
	CHECK(reap() == 1 && requests[0].result == 0);
}

static void deferred_work_is_fetched_by_the_own_cpu_only(void)
{
	submit(0, RT_BLK_READ);
	host->sq_flags = IORING_SQ_TASKRUN;
	entered = 0;
	CHECK(!rt_blk_pending(0, false) && rt_blk_pending(0, true));
	CHECK(!rt_blk_reap(0, false) && entered == 0);
	CHECK(!rt_blk_reap(0, true) && entered == 1);
}

/* ---- Lies ---- */

static void unknown_id(void)
{
	submit(0, RT_BLK_READ);
	submit(1, RT_BLK_READ);
	forge(0xdeadbeefcafef00d, BLOCK);
	check_shut_down(2);
}

static void id_of_a_free_slot(void)
{
	submit(0, RT_BLK_READ);
	forge(last_sqe()->user_data + 1, BLOCK);
	check_shut_down(1);
}

static void duplicate_completion(void)
{
	submit(0, RT_BLK_READ);
	submit(1, RT_BLK_READ);
	forge(sqes[0].user_data, BLOCK);
	forge(sqes[0].user_data, BLOCK);
	CHECK(reap() == 2);
	CHECK(requests[0].result == 0 && completions[0] == 1);
	CHECK(requests[1].result == -EIO && completions[1] == 1);
	CHECK(rt_blk_failure());
}

static void stale_generation(void)
{
	uint64_t old;

	submit(0, RT_BLK_READ);
	old = last_sqe()->user_data;
	forge(old, BLOCK);
	CHECK(reap() == 1);
	completions[0] = 0;
	submit(0, RT_BLK_READ);
	CHECK((uint32_t)last_sqe()->user_data == (uint32_t)old);
	forge(old, BLOCK);
	check_shut_down(1);
}

static void completion_before_submission(void)
{
	enter_result = -EAGAIN;
	submit(0, RT_BLK_READ);
	forge(last_sqe()->user_data, BLOCK);
	check_shut_down(1);
}

static void too_many_bytes(void)
{
	submit(0, RT_BLK_READ);
	forge(last_sqe()->user_data, BLOCK + 1);
	check_shut_down(1);
}

static void too_many_bytes_for_the_rest(void)
{
	submit(0, RT_BLK_READ);
	forge(last_sqe()->user_data, BLOCK - 512);
	CHECK(reap() == 0);
	forge(last_sqe()->user_data, BLOCK);
	check_shut_down(1);
}

static void bytes_from_a_flush(void)
{
	submit(0, RT_BLK_FLUSH);
	forge(last_sqe()->user_data, 1);
	check_shut_down(1);
}

static void impossible_errno(void)
{
	submit(0, RT_BLK_READ);
	forge(last_sqe()->user_data, INT32_MIN);
	check_shut_down(1);
}

static void tail_ran_ahead(void)
{
	submit(0, RT_BLK_READ);
	host->cq_tail += 2;
	check_shut_down(1);
}

static void tail_went_back(void)
{
	submit(0, RT_BLK_READ);
	host->cq_tail--;
	check_shut_down(1);
}

static void submitted_more_than_given(void)
{
	enter_result = 2;
	submit(0, RT_BLK_READ);
	check_shut_down(1);
}

static void enter_refused(void)
{
	enter_result = -EBADF;
	submit(0, RT_BLK_READ);
	check_shut_down(1);
}

static void consumer_index_is_ours(void)
{
	submit(0, RT_BLK_READ);
	host->cq_head = 12345;
	host->sq_head = 54321;
	host->sq_tail = 99;
	forge(sqes[0].user_data, BLOCK);
	CHECK(reap() == 1 && host->cq_head == 1);
	CHECK(!rt_blk_failure());
}

static void false_geometry(void)
{
	struct io_uring_params params;

#define REFUSED(field, value)                              \
	do {                                               \
		params = honest_params();                  \
		params.field = (value);                    \
		CHECK(init(params) == -EPROTO);            \
	} while (0)
	REFUSED(sq_entries, 0);
	REFUSED(sq_entries, RT_BLK_SLOTS / 2);
	REFUSED(sq_entries, RT_BLK_SLOTS * 2);
	REFUSED(sq_entries, RT_BLK_SLOTS + 1);
	REFUSED(cq_entries, 1u << 31);
	REFUSED(cq_entries, CQ_ENTRIES * 2);
	REFUSED(cq_entries, RT_BLK_SLOTS / 2);
	REFUSED(sq_off.tail, sizeof(*host));
	REFUSED(sq_off.tail, sizeof(*host) - 2);
	REFUSED(sq_off.flags, UINT32_MAX);
	REFUSED(sq_off.array, sizeof(*host) - 64);
	REFUSED(cq_off.head, UINT32_MAX - 3);
	REFUSED(cq_off.tail, 2);
	REFUSED(cq_off.cqes, offsetof(struct host_rings, cqes) + 16);
	REFUSED(cq_off.cqes, offsetof(struct host_rings, cqes) - 4);
#undef REFUSED
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
#define CASE(name) { #name, name }
	CASE(honest_completion),
	CASE(flush_is_fdatasync_of_the_whole_file),
	CASE(fua_write_is_dsync),
	CASE(discard_keeps_the_size),
	CASE(zero_range_falls_back_to_a_hole),
	CASE(short_transfer_is_continued),
	CASE(end_of_a_truncated_file_is_an_error),
	CASE(full_host_disk_is_reported),
	CASE(endless_eagain_ends),
	CASE(full_ring_is_busy),
	CASE(busy_host_is_asked_again),
	CASE(deferred_work_is_fetched_by_the_own_cpu_only),
	CASE(unknown_id),
	CASE(id_of_a_free_slot),
	CASE(duplicate_completion),
	CASE(stale_generation),
	CASE(completion_before_submission),
	CASE(too_many_bytes),
	CASE(too_many_bytes_for_the_rest),
	CASE(bytes_from_a_flush),
	CASE(impossible_errno),
	CASE(tail_ran_ahead),
	CASE(tail_went_back),
	CASE(submitted_more_than_given),
	CASE(enter_refused),
	CASE(consumer_index_is_ours),
	CASE(false_geometry),
};

int main(int argc, char **argv)
{
	size_t count = sizeof(cases) / sizeof(cases[0]);

	if (argc == 3 && !strcmp(argv[1], "fuzz")) {
		fuzz(atoi(argv[2]));
		return 0;
	}
	for (size_t i = 0; i < count; i++) {
		if (argc == 2 && !strcmp(argv[1], "--list")) {
			puts(cases[i].name);
		} else if (argc == 2 && !strcmp(argv[1], cases[i].name)) {
			start();
			cases[i].run();
			return 0;
		}
	}
	return argc == 2 && !strcmp(argv[1], "--list") ? 0 : 2;
}
