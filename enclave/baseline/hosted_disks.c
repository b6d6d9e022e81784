// SPDX-License-Identifier: GPL-2.0-only
/*
 * libos-host's disks: threads of the host in the place of io_uring. They take
 * entries from the submission queue that the block driver fills, one request
 * at a time each, copy the data through a buffer of their own, and fill the
 * completion queue.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../runtime/blk.h"
#include "../runtime/runtime.h"
#include "hosted.h"

enum { THREADS_MAX = 64, RINGS_MAX = 64, BUFFER_BYTES = 1 << 20, ENTRIES = RT_BLK_SLOTS };

/* One CPU's queues, as an io_uring would lay them out. */
struct queues {
	uint32_t sq_head __attribute__((aligned(64)));
	uint32_t sq_tail __attribute__((aligned(64)));
	uint32_t cq_head __attribute__((aligned(64)));
	uint32_t cq_tail __attribute__((aligned(64)));
	uint32_t cq_lock, flags;
	uint32_t array[ENTRIES];
	struct io_uring_cqe cqes[ENTRIES] __attribute__((aligned(64)));
	struct io_uring_sqe sqes[ENTRIES] __attribute__((aligned(64)));
};

static struct {
	struct queues *queues[RINGS_MAX];
	unsigned int ring_count, thread_count;
	struct hosted_thread threads[THREADS_MAX];
} disks;

bool hosted_disks_ready(void)
{
	for (unsigned int i = 0; i < disks.ring_count; i++) {
		const struct queues *q = disks.queues[i];

		if (__atomic_load_n(&q->cq_tail, __ATOMIC_ACQUIRE) !=
		    __atomic_load_n(&q->cq_head, __ATOMIC_ACQUIRE))
			return true;
	}
	return false;
}

/* ---- the enclave's side: in the place of io_uring_enter() ---- */

static long hand_over(int fd, unsigned int to_submit, unsigned int min_complete, unsigned int flags)
{
	(void)fd;
	(void)min_complete;
	(void)flags;
	/* One is woken for each request, as far as they sleep. */
	for (unsigned int i = 0, n = 0; i < disks.thread_count && n < to_submit; i++, n++)
		hosted_kick(&disks.threads[i]);
	return to_submit;
}

/* ---- the host's side ---- */

static int rw_flags(const struct io_uring_sqe *sqe)
{
	return sqe->rw_flags & RWF_DSYNC;
}

/* Between the buffer and the segments, from @skip bytes into them. */
static void copy(char *buffer, const struct iovec *iov, size_t count, size_t skip, size_t bytes,
		 bool to_buffer)
{
	for (size_t i = 0; i < count && bytes; i++) {
		size_t n = iov[i].iov_len;

		if (skip >= n) {
			skip -= n;
			continue;
		}
		n = n - skip < bytes ? n - skip : bytes;
		if (to_buffer)
			memcpy(buffer, (char *)iov[i].iov_base + skip, n);
		else
			memcpy((char *)iov[i].iov_base + skip, buffer, n);
		buffer += n;
		bytes -= n;
		skip = 0;
	}
}

static long transfer(const struct io_uring_sqe *sqe, const struct iovec *iov, size_t count,
		     bool write, char *buffer)
{
	size_t total = 0, done = 0;

	for (size_t i = 0; i < count; i++)
		total += iov[i].iov_len;
	while (done < total) {
		size_t n = total - done < BUFFER_BYTES ? total - done : BUFFER_BYTES;
		struct iovec one = { buffer, n };
		ssize_t moved;

		if (write)
			copy(buffer, iov, count, done, n, true);
		moved = write ? pwritev2(sqe->fd, &one, 1, sqe->off + done, rw_flags(sqe)) :
				preadv2(sqe->fd, &one, 1, sqe->off + done, 0);
		if (moved < 0)
			return done ? (long)done : -errno;
		if (!write)
			copy(buffer, iov, count, done, moved, false);
		done += moved;
		if ((size_t)moved < n)
			break;
	}
	return done;
}

static long carry_out(const struct io_uring_sqe *sqe, char *buffer)
{
	struct iovec one = { (void *)sqe->addr, sqe->len };

	switch (sqe->opcode) {
	case IORING_OP_READ:
	case IORING_OP_WRITE:
		return transfer(sqe, &one, 1, sqe->opcode == IORING_OP_WRITE, buffer);
	case IORING_OP_READV:
	case IORING_OP_WRITEV:
		return transfer(sqe, (void *)sqe->addr, sqe->len,
				sqe->opcode == IORING_OP_WRITEV, buffer);
	case IORING_OP_FALLOCATE:
		return fallocate(sqe->fd, sqe->len, sqe->off, sqe->addr) ? -errno : 0;
	case IORING_OP_FSYNC:
		return fdatasync(sqe->fd) ? -errno : 0;
	default:
		return -EINVAL;
	}
}

static void complete(struct queues *q, uint64_t user_data, long result)
{
	struct io_uring_cqe *cqe;

	while (__atomic_exchange_n(&q->cq_lock, 1, __ATOMIC_ACQUIRE))
		sched_yield();
	cqe = &q->cqes[q->cq_tail % ENTRIES];
	cqe->user_data = user_data;
	cqe->res = result;
	cqe->flags = 0;
	__atomic_store_n(&q->cq_tail, q->cq_tail + 1, __ATOMIC_RELEASE);
	__atomic_store_n(&q->cq_lock, 0, __ATOMIC_RELEASE);
	hosted_wake_enclave();
}

/* The next entry, if no other thread takes it first. */
static bool take(struct queues *q, struct io_uring_sqe *ret)
{
	uint32_t head = __atomic_load_n(&q->sq_head, __ATOMIC_ACQUIRE);

	while (head != __atomic_load_n(&q->sq_tail, __ATOMIC_ACQUIRE)) {
		*ret = q->sqes[head % ENTRIES];
		if (__atomic_compare_exchange_n(&q->sq_head, &head, head + 1, false,
						__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			return true;
	}
	return false;
}

static bool has_request(void *unused)
{
	(void)unused;
	for (unsigned int i = 0; i < disks.ring_count; i++) {
		const struct queues *q = disks.queues[i];

		if (__atomic_load_n(&q->sq_head, __ATOMIC_ACQUIRE) !=
		    __atomic_load_n(&q->sq_tail, __ATOMIC_ACQUIRE))
			return true;
	}
	return false;
}

static void *run_disk(void *argument)
{
	struct hosted_thread *thread = argument;
	struct io_uring_sqe sqe;
	char *buffer = mmap(NULL, BUFFER_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (buffer == MAP_FAILED)
		rt_fail("cannot make the buffer of a disk: %s", strerror(errno));
	for (;;) {
		for (unsigned int i = 0; i < disks.ring_count; i++)
			while (take(disks.queues[i], &sqe))
				complete(disks.queues[i], sqe.user_data, carry_out(&sqe, buffer));
		hosted_sleep(thread, has_request, NULL);
	}
	return NULL;
}

/* ---- start ---- */

static int start_ring(struct rt_blk_ring *ring)
{
	struct queues *q = aligned_alloc(64, sizeof(*q));
	struct io_uring_params params = {
		.sq_entries = ENTRIES,
		.cq_entries = ENTRIES,
		.sq_off = {
			.tail = offsetof(struct queues, sq_tail),
			.flags = offsetof(struct queues, flags),
			.array = offsetof(struct queues, array),
		},
		.cq_off = {
			.head = offsetof(struct queues, cq_head),
			.tail = offsetof(struct queues, cq_tail),
			.cqes = offsetof(struct queues, cqes),
		},
	};
	int err;

	if (!q || disks.ring_count == RINGS_MAX)
		return -ENOMEM;
	memset(q, 0, sizeof(*q));
	err = rt_blk_ring_init(ring, hosted.door_fd, q, sizeof(*q), q->sqes, sizeof(q->sqes), &params);
	if (err)
		return err;
	ring->enter = hand_over;
	disks.queues[disks.ring_count++] = q;
	return 0;
}

static void start_threads(void)
{
	for (unsigned int i = 0; i < disks.thread_count; i++)
		hosted_thread_start(&disks.threads[i], "disk", run_disk, &disks.threads[i]);
}

void hosted_disks_prepare(unsigned int threads)
{
	static const struct rt_blk_carrier carrier = { start_ring, start_threads };

	disks.thread_count = threads < THREADS_MAX ? threads : THREADS_MAX;
	rt_blk_carrier = &carrier;
}
