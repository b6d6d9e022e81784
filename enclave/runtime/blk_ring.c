// SPDX-License-Identifier: GPL-2.0-only
/*
 * The data path of the disks: a raw io_uring of the host, driven directly by
 * the library kernel's block driver. See docs/storage.md.
 *
 * Runs in kernel context: no libc, no TLS, general registers only. The rings
 * are the host's memory: what is read from there is read once, checked, and
 * only then used. The ring's geometry and every index are private copies.
 */
#include <errno.h>
#include <linux/falloc.h>
#include <linux/fs.h>

#include "blk.h"
#include "hostcall.h"

enum { NO_SLOT = RT_BLK_SLOTS };
enum { ERRNO_MAX = 4095 };

_Static_assert((int)NO_SLOT <= UINT16_MAX, "a slot number is 16 bits wide");

static uint32_t read_host(const uint32_t *untrusted)
{
	return __atomic_load_n(untrusted, __ATOMIC_ACQUIRE);
}

/* Fail closed: from now on every request of every disk ends with -EIO. */
static void shut_down(const char *why)
{
	const char *unset = NULL;

	__atomic_compare_exchange_n(&rt_blk.failure, &unset, why, false,
				    __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

const char *rt_blk_failure(void)
{
	return __atomic_load_n(&rt_blk.failure, __ATOMIC_ACQUIRE);
}

/* ---- Slots: what is in flight ---- */

static void slot_free(struct rt_blk_ring *ring, unsigned int index)
{
	struct rt_blk_slot *slot = &ring->slots[index];

	slot->request = NULL;
	slot->generation++;
	slot->next_free = ring->first_free;
	ring->first_free = index;
	ring->in_flight--;
}

/* The slot that the host's @user_data names, or NO_SLOT for a lie. */
static unsigned int slot_lookup(const struct rt_blk_ring *ring,
				uint64_t user_data)
{
	uint32_t index = (uint32_t)user_data;
	const struct rt_blk_slot *slot;
	uint32_t submitted_tail = ring->sq_tail - ring->unsubmitted;

	if (index >= RT_BLK_SLOTS)
		return NO_SLOT;
	slot = &ring->slots[index];
	if (!slot->request || slot->generation != user_data >> 32)
		return NO_SLOT;
	/* An answer to what the host has not been asked yet. */
	if ((int32_t)(submitted_tail - slot->sq_position) <= 0)
		return NO_SLOT;
	return index;
}

/*
 * Nothing of what the host says counts any more, so what it may still owe us
 * is failed here. It can also still write into the pages of these requests;
 * memory that it may write to is never trusted further than its contents.
 */
static void fail_in_flight(struct rt_blk_ring *ring)
{
	for (unsigned int i = 0; i < RT_BLK_SLOTS && ring->in_flight; i++) {
		struct rt_blk_request *request = ring->slots[i].request;

		if (!request)
			continue;
		slot_free(ring, i);
		rt_blk_request_finish(&ring->out, request, -EIO);
	}
	ring->unsubmitted = 0;
}

/* ---- Submission ---- */

/* Linux refuses more than this in one go; the rest is a short transfer. */
enum { TRANSFER_MAX = 0x7ffff000 };

static void sqe_transfer(struct io_uring_sqe *sqe,
			 const struct rt_blk_request *request)
{
	const struct rt_blk_segment *segment = request->segments;
	bool write = request->op == RT_BLK_WRITE;

	if (request->segment_count == 1) {
		sqe->opcode = write ? IORING_OP_WRITE : IORING_OP_READ;
		sqe->addr = (uintptr_t)segment->address;
		sqe->len = segment->bytes > TRANSFER_MAX ? TRANSFER_MAX :
							   segment->bytes;
	} else {
		sqe->opcode = write ? IORING_OP_WRITEV : IORING_OP_READV;
		sqe->addr = (uintptr_t)segment;
		sqe->len = request->segment_count;
	}
	sqe->rw_flags = write && request->fua ? RWF_DSYNC : 0;
}

static void sqe_range(struct io_uring_sqe *sqe,
		      const struct rt_blk_request *request)
{
	int mode = FALLOC_FL_KEEP_SIZE;

	if (request->op == RT_BLK_ZERO && request->keep_allocated)
		mode |= FALLOC_FL_ZERO_RANGE;
	else
		mode |= FALLOC_FL_PUNCH_HOLE;
	sqe->opcode = IORING_OP_FALLOCATE;
	sqe->addr = request->bytes;	/* io_uring: the length */
	sqe->len = mode;		/* io_uring: the mode */
	sqe->rw_flags = 0;
}

static void sqe_operation(struct io_uring_sqe *sqe,
			  const struct rt_blk_request *request)
{
	sqe->off = request->offset_bytes;
	switch (request->op) {
	case RT_BLK_READ:
	case RT_BLK_WRITE:
		sqe_transfer(sqe, request);
		return;
	case RT_BLK_DISCARD:
	case RT_BLK_ZERO:
		sqe_range(sqe, request);
		return;
	default:
		sqe->opcode = IORING_OP_FSYNC;
		sqe->off = 0;		/* with len 0: the whole file */
		sqe->addr = 0;
		sqe->len = 0;
		sqe->fsync_flags = IORING_FSYNC_DATASYNC;
	}
}

/*
 * Write slot @index's request into the next submission entry. There is always
 * room: a slot has at most one entry and there are as many entries as slots.
 */
static void sq_push(struct rt_blk_ring *ring, unsigned int index)
{
	struct rt_blk_slot *slot = &ring->slots[index];
	const struct rt_blk_request *request = slot->request;
	struct io_uring_sqe *sqe;

	sqe = &ring->untrusted_sqes[ring->sq_tail & ring->sq_mask];
	sqe_operation(sqe, request);
	sqe->fd = rt_blk.disks[request->disk].fd;
	/* What could not be done at once may be done by the host's worker. */
	sqe->flags = request->retries ? IOSQE_ASYNC : 0;
	sqe->ioprio = 0;
	sqe->buf_index = 0;
	sqe->personality = 0;
	sqe->splice_fd_in = 0;
	sqe->addr3 = 0;
	sqe->__pad2[0] = 0;
	sqe->user_data = (uint64_t)slot->generation << 32 | index;
	slot->sq_position = ring->sq_tail++;
	ring->unsubmitted++;
}

int rt_blk_ring_queue(struct rt_blk_ring *ring, struct rt_blk_request *request)
{
	unsigned int index;

	if (rt_blk_failure())
		return -EIO;
	request->retries = 0;
	if (ring->fd < 0) {
		rt_blk_request_count(&ring->out, request);
		rt_blk_request_finish(&ring->out, request,
				      rt_blk_sync_run(ring, request));
		return 0;
	}
	index = ring->first_free;
	if (index == NO_SLOT)
		return -EBUSY;
	rt_blk_request_count(&ring->out, request);
	ring->first_free = ring->slots[index].next_free;
	ring->slots[index].request = request;
	ring->in_flight++;
	sq_push(ring, index);
	return 0;
}

/*
 * One host call: submit what is queued and, with IORING_ENTER_GETEVENTS, let
 * the host finish what it deferred to the next kernel entry of this thread.
 */
static void enter(struct rt_blk_ring *ring, unsigned int flags)
{
	long submitted;

	__atomic_store_n(ring->untrusted_sq_tail, ring->sq_tail,
			 __ATOMIC_RELEASE);
	if (ring->enter)
		submitted = ring->enter(ring->fd, ring->unsubmitted, 0, flags);
	else
		submitted = hostcall_io_uring_enter(ring->fd, ring->unsubmitted, 0, flags);
	ring->out.stats.enters++;
	/* Out of memory, or busy: the poller comes back. */
	if (submitted == -EAGAIN || submitted == -EBUSY || submitted == -EINTR)
		return;
	if (submitted < 0) {
		shut_down("io_uring_enter failed");
		return;
	}
	if (submitted > ring->unsubmitted) {
		shut_down("the host submitted more than it was given");
		return;
	}
	ring->unsubmitted -= submitted;
}

static bool host_deferred_work(const struct rt_blk_ring *ring)
{
	return read_host(ring->untrusted_sq_flags) & IORING_SQ_TASKRUN;
}

void rt_blk_ring_commit(struct rt_blk_ring *ring)
{
	if (ring->unsubmitted && !rt_blk_failure())
		enter(ring, host_deferred_work(ring) ? IORING_ENTER_GETEVENTS : 0);
}

/* ---- Completion ---- */

void rt_blk_request_advance(struct rt_blk_request *request, uint64_t bytes)
{
	struct rt_blk_segment *segment = request->segments;

	request->offset_bytes += bytes;
	request->bytes -= bytes;
	while (bytes >= segment->bytes && request->segment_count > 1) {
		bytes -= segment->bytes;
		segment++;
		request->segment_count--;
	}
	segment->address = (char *)segment->address + bytes;
	segment->bytes -= bytes;
	request->segments = segment;
}

enum verdict { FINISHED, AGAIN, LIE };

static enum verdict judge_transfer(struct rt_blk_request *request, uint32_t res,
				   int *ret)
{
	if (res > request->bytes)
		return LIE;
	if (res == request->bytes) {
		*ret = 0;
		return FINISHED;
	}
	if (!res) {			/* the file ends before the disk does */
		*ret = -EIO;
		return FINISHED;
	}
	rt_blk_request_advance(request, res);
	return AGAIN;
}

static enum verdict judge_error(struct rt_blk_request *request, int res,
				int *ret)
{
	if (res < -ERRNO_MAX)
		return LIE;
	if ((res == -EAGAIN || res == -EINTR) &&
	    request->retries < RT_BLK_RETRIES) {
		request->retries++;
		return AGAIN;
	}
	if (res == -EOPNOTSUPP && request->op == RT_BLK_ZERO &&
	    request->keep_allocated) {
		request->keep_allocated = false;	/* a hole is zero, too */
		return AGAIN;
	}
	*ret = res;
	return FINISHED;
}

static enum verdict judge(struct rt_blk_request *request, int res, int *ret)
{
	if (res < 0)
		return judge_error(request, res, ret);
	if (request->op == RT_BLK_READ || request->op == RT_BLK_WRITE)
		return judge_transfer(request, res, ret);
	*ret = 0;
	return res ? LIE : FINISHED;
}

/* Take the completion at cq_head. False, and all is shut down, for a lie. */
static bool take_completion(struct rt_blk_ring *ring)
{
	const struct io_uring_cqe *untrusted_cqe;
	struct rt_blk_request *request;
	uint64_t user_data;
	unsigned int index;
	int res, result;

	untrusted_cqe = &ring->untrusted_cqes[ring->cq_head & ring->cq_mask];
	user_data = __atomic_load_n(&untrusted_cqe->user_data, __ATOMIC_RELAXED);
	res = __atomic_load_n(&untrusted_cqe->res, __ATOMIC_RELAXED);
	ring->cq_head++;

	index = slot_lookup(ring, user_data);
	if (index == NO_SLOT) {
		shut_down("the host completed a request that is not in flight");
		return false;
	}
	request = ring->slots[index].request;
	switch (judge(request, res, &result)) {
	case FINISHED:
		slot_free(ring, index);
		rt_blk_request_finish(&ring->out, request, result);
		return true;
	case AGAIN:
		ring->out.stats.resubmitted++;
		ring->slots[index].generation++;
		sq_push(ring, index);
		return true;
	default:
		shut_down("the host completed a request with an impossible result");
		return false;
	}
}

static void take_completions(struct rt_blk_ring *ring)
{
	uint32_t host_tail = read_host(ring->untrusted_cq_tail);
	uint32_t ready = host_tail - ring->cq_head;

	if (ready > ring->in_flight) {
		shut_down("the host's completion queue ran ahead");
		return;
	}
	while (ready--)
		if (!take_completion(ring))
			return;
	__atomic_store_n(ring->untrusted_cq_head, ring->cq_head,
			 __ATOMIC_RELEASE);
}

bool rt_blk_ring_pending(const struct rt_blk_ring *ring, bool own)
{
	if (__atomic_load_n(&ring->out.done, __ATOMIC_RELAXED))
		return true;
	if (!__atomic_load_n(&ring->in_flight, __ATOMIC_RELAXED))
		return false;
	if (read_host(ring->untrusted_cq_tail) !=
	    __atomic_load_n(&ring->cq_head, __ATOMIC_RELAXED))
		return true;
	if (rt_blk_failure())
		return true;
	return own && (__atomic_load_n(&ring->unsubmitted, __ATOMIC_RELAXED) ||
		       host_deferred_work(ring));
}

struct rt_blk_request *rt_blk_ring_reap(struct rt_blk_ring *ring, bool own)
{
	if (ring->in_flight && !rt_blk_failure()) {
		if (own && (ring->unsubmitted || host_deferred_work(ring)))
			enter(ring, IORING_ENTER_GETEVENTS);
		take_completions(ring);
		/* The rest of short transfers. */
		if (own && ring->unsubmitted)
			enter(ring, 0);
	}
	if (ring->in_flight && rt_blk_failure())
		fail_in_flight(ring);
	return rt_blk_take_done(&ring->out);
}
