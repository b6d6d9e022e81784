// SPDX-License-Identifier: GPL-2.0-only
/*
 * The data path of `--disk vhost-user:SOCKET`: virtio-blk over a split
 * virtqueue, polled. See docs/storage.md.
 *
 * Runs in kernel context: no libc, no TLS, general registers only. The device
 * has the DMA region alone; data is copied between it and private memory. The
 * ring's defence is virtqueue.h's; here lengths and status are checked.
 */
#include <errno.h>
#include <linux/virtio_blk.h>

#include "blk_vhost.h"
#include "hostcall.h"

enum { UNASKED_ARMS = 16 };

static bool event_idx(const struct rt_blk_vhost_queue *q)
{
	return q->disk->agreed.features & 1ULL << VIRTIO_RING_F_EVENT_IDX;
}

static unsigned int generation_of(const struct rt_blk_vhost_disk *disk)
{
	return __atomic_load_n(&disk->generation, __ATOMIC_ACQUIRE);
}

static bool is_up(unsigned int generation)
{
	return generation & 1;
}

static bool has_failed(const struct rt_blk_vhost_disk *disk)
{
	return __atomic_load_n(&disk->failure, __ATOMIC_ACQUIRE);
}

unsigned int rt_blk_vhost_queue_of(const struct rt_blk_vhost_disk *disk, unsigned int cpu)
{
	return disk->first_queue + cpu % disk->queue_count;
}

/* ---- Submission ---- */

static void publish(struct rt_blk_vhost_queue *q)
{
	uint16_t before = q->published;
	uint64_t one = 1;

	virtqueue_publish(&q->vq);
	q->published = q->vq.avail_next;
	if (event_idx(q)) {
		uint16_t *host_event = (uint16_t *)&q->vq.host_used->ring[VHOST_DISK_ENTRIES];
		uint16_t event = __atomic_load_n(host_event, __ATOMIC_ACQUIRE);

		if (!vring_need_event(event, q->published, before))
			return;
	} else if (__atomic_load_n(&q->vq.host_used->flags, __ATOMIC_ACQUIRE) &
		   VRING_USED_F_NO_NOTIFY) {
		return;
	}
	q->out.stats.kicks++;
	hostcall_write(q->kick, &one, sizeof(one));
}

static void wait_in_line(struct rt_blk_vhost_queue *q, struct rt_blk_request *request)
{
	request->next = NULL;
	*q->waiting_last = request;
	q->waiting_last = &request->next;
}

/* From the line to the ring, as long as there is room. */
static void feed(struct rt_blk_vhost_queue *q)
{
	while (q->waiting && q->vq.free_count >= rt_blk_vhost_descriptors(q->waiting)) {
		struct rt_blk_request *request = q->waiting;

		q->waiting = request->next;
		if (!q->waiting)
			q->waiting_last = &q->waiting;
		rt_blk_vhost_put(q, request);
	}
}

int rt_blk_vhost_queue(struct rt_blk_vhost_queue *q, struct rt_blk_request *request)
{
	if (has_failed(q->disk))
		return -EIO;
	if (request->op == RT_BLK_FLUSH &&
	    !(q->disk->agreed.features & 1ULL << VIRTIO_BLK_F_FLUSH)) {
		rt_blk_request_count(&q->out, request);
		rt_blk_request_finish(&q->out, request, 0);
		return 0;
	}
	/* Requests wait here only while there is no back end: the caller has a line, too. */
	if (is_up(q->generation) && !q->waiting) {
		if (q->vq.free_count < rt_blk_vhost_descriptors(request))
			return -EBUSY;
		rt_blk_vhost_put(q, request);
	} else {
		wait_in_line(q, request);
	}
	rt_blk_request_count(&q->out, request);
	return 0;
}

void rt_blk_vhost_commit(struct rt_blk_vhost_queue *q)
{
	if (q->published != q->vq.avail_next && is_up(q->generation) && !has_failed(q->disk))
		publish(q);
}

/* ---- Completion ---- */

/* What the device says of a chain that it returned: 0, -errno, or 1 for a lie. */
static int judge(struct rt_blk_vhost_queue *q, uint16_t head, uint32_t host_len)
{
	const struct rt_blk_request *request = q->vq.slot[head].owner;

	if (host_len > q->vq.slot[head].bytes) {
		q->disk->lie = "more written than there is room for";
		return 1;
	}
	switch (rt_blk_vhost_status(q, head)) {
	case VIRTIO_BLK_S_OK:
		/* Success, and less than what was asked for: whose data is the rest? */
		if (request->op == RT_BLK_READ && host_len < q->vq.slot[head].bytes)
			return -EIO;
		return 0;
	case VIRTIO_BLK_S_IOERR:
		return -EIO;
	case VIRTIO_BLK_S_UNSUPP:
		return -EOPNOTSUPP;
	default:
		q->disk->lie = "a request completed without a status that there is";
		return 1;
	}
}

static bool take_completion(struct rt_blk_vhost_queue *q)
{
	struct rt_blk_request *request;
	uint32_t host_len;
	int head = virtqueue_take_used(&q->vq, &host_len);
	int result;

	if (head < 0)
		return false;
	request = q->vq.slot[head].owner;
	result = judge(q, (uint16_t)head, host_len);
	if (result > 0)
		result = -EIO;
	else if (!result && request->op == RT_BLK_READ)
		rt_blk_vhost_copy(q, request, q->vq.slot[head].next, false);
	virtqueue_free(&q->vq, (uint16_t)head);
	rt_blk_request_finish(&q->out, request, result);
	return !q->disk->lie;
}

static void disarm(struct rt_blk_vhost_queue *q)
{
	q->armed = false;
	if (event_idx(q))
		q->vq.avail->ring[VHOST_DISK_ENTRIES] = (uint16_t)(q->vq.used_next - 1);
	else
		q->vq.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
}

static void take_completions(struct rt_blk_vhost_queue *q)
{
	uint16_t ready = virtqueue_used(&q->vq);

	if (ready && q->armed)
		disarm(q);
	q->disk->progress += ready;
	while (ready-- && take_completion(q))
		;
	if (q->disk->lie)
		rt_blk_vhost_end(q->disk, q->disk->lie);
}

/* ---- Back ends that go and come ---- */

/* All that is on the ring, to the head of the line, in the order of submission. */
static void take_back(struct rt_blk_vhost_queue *q)
{
	struct rt_blk_request *behind = q->waiting;
	bool none_behind = !behind;

	while (q->vq.in_flight) {
		struct rt_blk_request *request;
		int newest = -1;

		for (int i = 0; i < VHOST_DISK_ENTRIES; i++)
			if (q->vq.slot[i].owner &&
			    (newest < 0 ||
			     (int32_t)(q->order_of[i] - q->order_of[newest]) > 0))
				newest = i;
		if (newest < 0)
			break;
		request = q->vq.slot[newest].owner;
		q->vq.slot[newest].owner = NULL;
		q->vq.in_flight--;
		request->next = behind;
		if (none_behind) {
			q->waiting_last = &request->next;
			none_behind = false;
		}
		behind = request;
		q->out.stats.resubmitted++;
	}
	q->waiting = behind;
}

static void reset(struct rt_blk_vhost_queue *q)
{
	take_back(q);
	virtqueue_reset(&q->vq);
	q->published = 0;
	disarm(q);
}

static void follow(struct rt_blk_vhost_queue *q, unsigned int generation)
{
	q->generation = generation;
	if (is_up(generation)) {
		feed(q);
		return;
	}
	reset(q);
	if (!__atomic_sub_fetch(&q->disk->to_follow, 1, __ATOMIC_ACQ_REL))
		rt_blk_vhost_tell(q->disk, VHOST_DISK_READY);
}

/* The device may still write to the region; nothing of that is looked at any more. */
static void fail_all(struct rt_blk_vhost_queue *q)
{
	take_back(q);
	while (q->waiting) {
		struct rt_blk_request *request = q->waiting;

		q->waiting = request->next;
		rt_blk_request_finish(&q->out, request, -EIO);
	}
	q->waiting_last = &q->waiting;
}

/* ---- The driver's calls ---- */

static bool has_used(const struct rt_blk_vhost_queue *q)
{
	return __atomic_load_n(&q->vq.in_flight, __ATOMIC_RELAXED) &&
	       __atomic_load_n(&q->vq.host_used->idx, __ATOMIC_ACQUIRE) !=
		       __atomic_load_n(&q->vq.used_next, __ATOMIC_RELAXED);
}

/* Is there anything to do but to look at the attendant's socket? */
static bool has_work(const struct rt_blk_vhost_queue *q)
{
	if (__atomic_load_n(&q->out.done, __ATOMIC_RELAXED))
		return true;
	if (has_failed(q->disk))
		return __atomic_load_n(&q->vq.in_flight, __ATOMIC_RELAXED) ||
		       __atomic_load_n(&q->waiting, __ATOMIC_RELAXED);
	return has_used(q) || q->generation != generation_of(q->disk) ||
	       __atomic_load_n(&q->published, __ATOMIC_RELAXED) !=
		       __atomic_load_n(&q->vq.avail_next, __ATOMIC_RELAXED);
}

bool rt_blk_vhost_pending(const struct rt_blk_vhost_queue *q)
{
	return has_work(q) || (!has_failed(q->disk) && rt_blk_vhost_look_is_due(q->disk));
}

bool rt_blk_vhost_arm(struct rt_blk_vhost_queue *q)
{
	uint64_t count;

	if (has_work(q))
		return true;
	/* The attendant's socket wakes, too: the first look after the sleep is not skipped. */
	__atomic_store_n(&q->disk->look_tsc, 0, __ATOMIC_RELAXED);
	/* Who signals unasked shall not keep us awake for long. */
	if (q->signalled || !(++q->arms % UNASKED_ARMS)) {
		hostcall_read(q->call, &count, sizeof(count));
		q->signalled = false;
	}
	if (!q->vq.in_flight || has_failed(q->disk))
		return false;
	q->signalled = true;
	q->armed = true;
	if (event_idx(q))
		q->vq.avail->ring[VHOST_DISK_ENTRIES] = q->vq.used_next;
	else
		__atomic_store_n(&q->vq.avail->flags, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return has_used(q);
}

struct rt_blk_request *rt_blk_vhost_reap(struct rt_blk_vhost_queue *q)
{
	unsigned int generation;

	if (!has_failed(q->disk) && is_up(q->generation) && q->vq.in_flight)
		take_completions(q);
	if (!q->out.done)
		rt_blk_vhost_look(q->disk);
	if (has_failed(q->disk)) {
		fail_all(q);
		return rt_blk_take_done(&q->out);
	}
	generation = generation_of(q->disk);
	if (q->generation != generation)
		follow(q, generation);
	else if (q->waiting && is_up(generation))
		feed(q);
	rt_blk_vhost_commit(q);
	return rt_blk_take_done(&q->out);
}

void rt_blk_vhost_init_queue(struct rt_blk_vhost_queue *q, struct rt_blk_vhost_disk *disk,
			     unsigned int index)
{
	char *base = disk->base + (uint64_t)index * VHOST_DISK_QUEUE_BYTES;

	q->disk = disk;
	q->index = index;
	q->vq.desc = (struct vring_desc *)(base + VHOST_DISK_DESC);
	q->vq.avail = (struct vring_avail *)(base + VHOST_DISK_AVAIL);
	q->vq.host_used = (struct vring_used *)(base + VHOST_DISK_USED);
	q->vq.slot = q->slot;
	q->vq.lie = &disk->lie;
	q->vq.entries = VHOST_DISK_ENTRIES;
	q->meta = base + VHOST_DISK_META;
	q->data = base + VHOST_DISK_DATA;
	q->generation = disk->generation;
	q->waiting = NULL;
	q->waiting_last = &q->waiting;
	q->out.done = NULL;
	q->out.done_last = &q->out.done;
	virtqueue_init(&q->vq);	/* fresh memory, which the device may use by now */
	q->published = 0;
	disarm(q);
}
