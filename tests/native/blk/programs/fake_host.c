// SPDX-License-Identifier: Apache-2.0
/* The memory and the host calls of a host that does what the tests say. */
#include "fake_host.h"
#include "hostcall.h"

struct host_rings *host;
struct io_uring_sqe *sqes;
struct rt_blk_ring *ring;
long enter_result;
unsigned int entered;

struct rt_blk_request requests[MANY];
struct rt_blk_segment segments[MANY];
unsigned int completions[MANY];
char block[BLOCK];

long hostcall_io_uring_enter(int fd, unsigned int to_submit,
			     unsigned int min_complete, unsigned int flags)
{
	entered++;
	CHECK(fd == 77 && !min_complete);
	return enter_result == -1 ? (long)to_submit : enter_result;
}

long hostcall_preadv(int fd, const struct iovec *iov, int count, long offset)
{
	return -EIO;
}

long hostcall_pwritev(int fd, const struct iovec *iov, int count, long offset)
{
	return -EIO;
}

long hostcall_fdatasync(int fd)
{
	return -EIO;
}

long hostcall_read(int fd, void *buf, unsigned long bytes)
{
	return -EAGAIN;
}

long hostcall_write(int fd, const void *buf, unsigned long bytes)
{
	return bytes;
}

void rt_wait_del(int fd)
{
}

struct io_uring_params honest_params(void)
{
	return (struct io_uring_params){
		.sq_entries = SQ_ENTRIES,
		.cq_entries = CQ_ENTRIES,
		.sq_off = {
			.head = offsetof(struct host_rings, sq_head),
			.tail = offsetof(struct host_rings, sq_tail),
			.flags = offsetof(struct host_rings, sq_flags),
			.array = offsetof(struct host_rings, array),
		},
		.cq_off = {
			.head = offsetof(struct host_rings, cq_head),
			.tail = offsetof(struct host_rings, cq_tail),
			.cqes = offsetof(struct host_rings, cqes),
		},
	};
}

int init(struct io_uring_params params)
{
	return rt_blk_ring_init(ring, 77, host, sizeof(*host), sqes,
				SQ_ENTRIES * sizeof(*sqes), &params);
}

void start(void)
{
	host = calloc(1, sizeof(*host));
	sqes = calloc(SQ_ENTRIES, sizeof(*sqes));
	ring = calloc(1, sizeof(*ring));
	rt_blk.rings = ring;
	rt_blk.ring_count = 1;
	rt_blk.disk_count = 1;
	rt_blk.disks[0].fd = 78;
	enter_result = -1;
	CHECK(init(honest_params()) == 0);
}

struct rt_blk_request *prepare(unsigned int i, enum rt_blk_op op)
{
	segments[i] = (struct rt_blk_segment){ block, BLOCK };
	requests[i] = (struct rt_blk_request){
		.op = op,
		.segment_count = 1,
		.bytes = op == RT_BLK_FLUSH ? 0 : BLOCK,
		.segments = &segments[i],
		.result = 1,
	};
	return &requests[i];
}

void submit(unsigned int i, enum rt_blk_op op)
{
	CHECK(rt_blk_queue(0, prepare(i, op)) == 0);
	rt_blk_commit(0);
}

const struct io_uring_sqe *last_sqe(void)
{
	return &sqes[(host->sq_tail - 1) % SQ_ENTRIES];
}

void forge(uint64_t user_data, int32_t res)
{
	struct io_uring_cqe *cqe = &host->cqes[host->cq_tail % CQ_ENTRIES];

	cqe->user_data = user_data;
	cqe->res = res;
	host->cq_tail++;
}

unsigned int reap(void)
{
	struct rt_blk_request *done = rt_blk_reap(0, true);
	unsigned int count = 0;

	for (; done; done = done->next, count++) {
		CHECK(done >= requests && done < requests + MANY);
		CHECK(done->result <= 0);
		completions[done - requests]++;
	}
	return count;
}

void stop(void)
{
	free(host);
	free(sqes);
	free(ring);
	rt_blk.failure = NULL;
}
