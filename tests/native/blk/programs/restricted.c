// SPDX-License-Identifier: Apache-2.0
/* Asks a disk's ring for what no disk needs, as code that broke out would. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "disk.h"
#include "hostcall.h"

static int answer(struct rt_blk_ring *ring, const struct io_uring_sqe *sqe)
{
	const struct io_uring_cqe *cqe;
	uint32_t tail = ring->cq_head++;
	int result;

	ring->untrusted_sqes[ring->sq_tail++ & ring->sq_mask] = *sqe;
	__atomic_store_n(ring->untrusted_sq_tail, ring->sq_tail, __ATOMIC_RELEASE);
	CHECK(hostcall_io_uring_enter(ring->fd, 1, 1, IORING_ENTER_GETEVENTS) == 1);
	CHECK(__atomic_load_n(ring->untrusted_cq_tail, __ATOMIC_ACQUIRE) == tail + 1);
	cqe = &ring->untrusted_cqes[tail & ring->cq_mask];
	result = cqe->res;
	__atomic_store_n(ring->untrusted_cq_head, ring->cq_head, __ATOMIC_RELEASE);
	return result;
}

int ask_for_more(const char *argument)
{
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .addr = (uintptr_t)"/dev/null",
	};

	(void)argument;
	CHECK(rt_blk_uses_io_uring());
	CHECK(answer(&rt_blk.rings[0], &sqe) == -EACCES);
	sqe = (struct io_uring_sqe){ .opcode = IORING_OP_NOP };
	CHECK(answer(&rt_blk.rings[0], &sqe) == -EACCES);
	sqe = (struct io_uring_sqe){ .opcode = IORING_OP_FSYNC, .flags = IOSQE_IO_LINK,
				     .fd = rt_blk.disks[0].fd };
	CHECK(answer(&rt_blk.rings[0], &sqe) == -EACCES);
	sqe.flags = 0;
	CHECK(answer(&rt_blk.rings[0], &sqe) == 0);
	return 0;
}
