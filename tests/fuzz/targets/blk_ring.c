// SPDX-License-Identifier: Apache-2.0
/* The host's io_uring of a disk that is a file: completions as the fuzzer says. */
#include <errno.h>

#include "../../../enclave/runtime/blk.h"
#include "../../../enclave/runtime/hostcall.h"
#include "input.h"

enum { ENTRIES = RT_BLK_SLOTS, REQUESTS = 32, AREA = 16384, STEPS = 400 };

struct host {
	uint32_t sq_head, sq_tail, sq_flags, cq_head, cq_tail;
	uint32_t array[ENTRIES];
	_Alignas(8) struct io_uring_cqe cqes[2 * ENTRIES];
};

static struct host host;
static struct io_uring_sqe sqes[ENTRIES];
static struct rt_blk_ring ring;
static struct rt_blk_request requests[REQUESTS];
static struct rt_blk_segment segments[REQUESTS][2];
static bool busy[REQUESTS];
static char area[AREA];
static struct input in;

long hostcall_io_uring_enter(int fd, unsigned int to_submit, unsigned int min, unsigned int flags)
{
	uint8_t how = take8(&in);

	CHECK(fd == 77 && !min && flags <= 1);
	return how < 200 ? (long)to_submit : how < 230 ? -EAGAIN : (int8_t)take8(&in);
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
	return -EAGAIN;
}

void rt_wait_del(int fd)
{
}

static bool start(void)
{
	struct io_uring_params params = {
		.sq_entries = ENTRIES,
		.cq_entries = 2 * ENTRIES,
		.sq_off = {
			.head = offsetof(struct host, sq_head),
			.tail = offsetof(struct host, sq_tail),
			.flags = offsetof(struct host, sq_flags),
			.array = offsetof(struct host, array),
		},
		.cq_off = {
			.head = offsetof(struct host, cq_head),
			.tail = offsetof(struct host, cq_tail),
			.cqes = offsetof(struct host, cqes),
		},
	};

	/* Now and then the geometry is a lie, too. */
	if (take8(&in) == 255)
		take(&in, &params, sizeof(params));
	memset(&host, 0, sizeof(host));
	memset(&ring, 0, sizeof(ring));
	memset(busy, 0, sizeof(busy));
	rt_blk.rings = &ring;
	rt_blk.ring_count = 1;
	rt_blk.disk_count = 1;
	rt_blk.failure = NULL;
	return !rt_blk_ring_init(&ring, 77, &host, sizeof(host), sqes, sizeof(sqes), &params);
}

static void submit(void)
{
	unsigned int i = take8(&in) % REQUESTS;
	uint64_t bytes = (1 + take8(&in) % (AREA / 512)) * 512u, cut = bytes / 2;

	if (busy[i])
		return;
	segments[i][0] = (struct rt_blk_segment){ area, cut };
	segments[i][1] = (struct rt_blk_segment){ area + cut, bytes - cut };
	requests[i] = (struct rt_blk_request){
		.op = take8(&in) % RT_BLK_OPS,
		.fua = take8(&in) & 1,
		.segments = segments[i],
		.segment_count = 2,
		.bytes = bytes,
	};
	if (!rt_blk_queue(0, &requests[i]))
		busy[i] = true;
}

static void complete(void)
{
	uint8_t how = take8(&in);
	struct io_uring_cqe *cqe = &host.cqes[host.cq_tail % (2 * ENTRIES)];
	const struct io_uring_sqe *sqe = &sqes[take8(&in) % ENTRIES];

	cqe->user_data = how & 1 ? (uint64_t)take32(&in) << 32 | take16(&in) : sqe->user_data;
	cqe->res = how & 2 ? (int32_t)take32(&in) : (int32_t)sqe->len;
	host.cq_tail = how & 4 ? take32(&in) : host.cq_tail + 1;
	host.sq_flags = how >> 3;
}

static void reap(void)
{
	struct rt_blk_request *done = rt_blk_reap(0, true);

	for (; done; done = done->next) {
		CHECK(done >= requests && done < requests + REQUESTS);
		CHECK(busy[done - requests] && done->result <= 0);
		busy[done - requests] = false;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	in = (struct input){ data, size };
	if (!start())
		return 0;
	for (int i = 0; i < STEPS && in.left; i++) {
		switch (take8(&in) % 5) {
		case 0:
		case 1:
			submit();
			break;
		case 2:
			complete();
			break;
		case 3:
			rt_blk_commit(0);
			break;
		default:
			reap();
		}
	}
	rt_blk.failure = "over";
	reap();
	for (unsigned int i = 0; i < REQUESTS; i++)
		CHECK(!busy[i]);
	return 0;
}
