// SPDX-License-Identifier: GPL-2.0-only
/*
 * The queues of a controller: requests into rings, completions out of them,
 * by the poll loop, by whoever waits for one, and by an interrupt where a CPU
 * sleeps. A queue whose device lies is stopped, and what it had fails.
 */
#define pr_fmt(fmt) "rktio_nvme: " fmt

#include <linux/io.h>
#include <asm/runtime.h>

#include "rktio_nvme.h"

static struct {
	struct rktio_nvme **list;
	unsigned int count;
} controllers;

struct rt_nvme_stats libos_nvme_stats;

/* What an event request has as its owner, as there is no request of blk-mq. */
static char event_request;

/* ---- Memory ---- */

struct carver {
	u8 *next;
	u64 iova;
	size_t left;
};

static void *carve(struct carver *carver, size_t bytes, u64 *ret_iova)
{
	void *ret = carver->next;

	bytes = ALIGN(bytes, NVME_CTRL_PAGE_SIZE);
	if (bytes > carver->left)
		return NULL;
	*ret_iova = carver->iova;
	carver->next += bytes;
	carver->iova += bytes;
	carver->left -= bytes;
	return ret;
}

static unsigned int pages_of(unsigned int index)
{
	return index ? QUEUE_PAGES : ADMIN_PAGES;
}

static int carve_queue(struct rktio_nvme_queue *queue, struct carver *carver, unsigned int index)
{
	unsigned int pages = pages_of(index);

	spin_lock_init(&queue->lock);
	queue->sq = carve(carver, RING_ENTRIES_MAX * RING_SQE_BYTES, &queue->sq_iova);
	queue->cq = carve(carver, RING_ENTRIES_MAX * RING_CQE_BYTES, &queue->cq_iova);
	queue->bounce.pages = carve(carver, pages * NVME_CTRL_PAGE_SIZE,
				    &queue->bounce.pages_iova);
	if (!queue->sq || !queue->cq || !queue->bounce.pages)
		return -ENOMEM;
	return bounce_init(&queue->bounce, pages);
}

unsigned long libos_nvme_dma_bytes(unsigned int cpus)
{
	unsigned long rings = ALIGN(RING_ENTRIES_MAX * RING_SQE_BYTES, NVME_CTRL_PAGE_SIZE) +
			      ALIGN(RING_ENTRIES_MAX * RING_CQE_BYTES, NVME_CTRL_PAGE_SIZE);

	return rings * (cpus + 1) +
	       (ADMIN_PAGES + (unsigned long)cpus * QUEUE_PAGES) * NVME_CTRL_PAGE_SIZE;
}

/* As many queues as the device's doorbells and our memory have room for. */
int queue_memory(struct rktio_nvme *nvme)
{
	const struct rt_nvme_device *device = nvme->device;
	struct carver carver = { device->dma, device->dma_iova, device->dma_bytes };
	unsigned int wanted = min(nr_cpu_ids + 1, (unsigned int)nvme->limits.queues);
	unsigned int i;

	nvme->queues = kcalloc(wanted, sizeof(*nvme->queues), GFP_KERNEL);
	if (!nvme->queues)
		return -ENOMEM;
	for (i = 0; i < wanted; i++) {
		struct rktio_nvme_queue *queue = &nvme->queues[i];
		int err = carve_queue(queue, &carver, i);

		if (err)
			return err;
		queue->nvme = nvme;
		queue->event = -1;
		if (i < device->event_count) {
			queue->event = device->events[i];
			queue->untrusted_mask = device->untrusted_mask[i];
			*queue->untrusted_mask = 1;
		}
	}
	nvme->queue_count = wanted;
	return 0;
}

void queue_start(struct rktio_nvme_queue *queue, u16 id, u16 entries)
{
	unsigned long flags;

	spin_lock_irqsave(&queue->lock, flags);
	ring_reset(&queue->ring, id, entries, queue->sq, queue->cq,
		   queue->nvme->device->untrusted_bar, &queue->nvme->limits);
	queue->live = true;
	spin_unlock_irqrestore(&queue->lock, flags);
}

/* From here on the core's own cancelling ends what is in flight. */
void queue_stop(struct rktio_nvme_queue *queue)
{
	unsigned long flags;

	spin_lock_irqsave(&queue->lock, flags);
	queue->live = false;
	spin_unlock_irqrestore(&queue->lock, flags);
}

/* ---- Completion ---- */

static void complete_request(struct request *rq)
{
	bounce_unmap(rq->mq_hctx->driver_data, rq);
	nvme_complete_rq(rq);
}

static void unmap_of_batch(struct request *rq)
{
	bounce_unmap(rq->mq_hctx->driver_data, rq);
}

static void complete_batch(struct io_comp_batch *iob)
{
	nvme_complete_batch(iob, unmap_of_batch);
}

static void hand_over(const struct ring_completion *done, struct rktio_nvme *nvme,
		      struct io_comp_batch *iob)
{
	union nvme_result result = { .u64 = cpu_to_le64(done->result) };
	struct request *rq = done->owner;

	if (done->owner == &event_request) {
		nvme_complete_async_event(&nvme->ctrl, cpu_to_le16(done->status), &result);
		return;
	}
	if (!nvme_try_complete_req(rq, cpu_to_le16(done->status), result) &&
	    !blk_mq_add_to_batch(rq, iob, nvme_req(rq)->status, complete_batch))
		complete_request(rq);
}

/* The application gets an I/O error; a retry would only meet the same liar. */
static void fail_all(struct rktio_nvme_queue *queue)
{
	struct ring_completion done = { .status = (NVME_SC_INTERNAL | NVME_STATUS_DNR) << 1 };
	DEFINE_IO_COMP_BATCH(iob);
	unsigned long flags;

	for (;;) {
		spin_lock_irqsave(&queue->lock, flags);
		done.owner = ring_forget(&queue->ring);
		spin_unlock_irqrestore(&queue->lock, flags);
		if (!done.owner)
			break;
		if (done.owner != &event_request)
			hand_over(&done, queue->nvme, &iob);
	}
	if (!rq_list_empty(&iob.req_list))
		iob.complete(&iob);
}

static void report_lie(struct rktio_nvme_queue *queue)
{
	struct ring *ring = &queue->ring;

	pr_emerg("%s: queue %u is stopped: %s (%#llx); the device can't be trusted, replace it\n",
		 queue->nvme->device->address, ring->id, ring_lie_text(ring->lie),
		 ring->lie_value);
	fail_all(queue);
	if (!ring->id)
		queue_work(nvme_wq, &queue->nvme->lie_work);
}

bool queue_poll(struct rktio_nvme_queue *queue, struct io_comp_batch *iob)
{
	struct ring_completion done[16];
	unsigned int count = 0, i;
	unsigned long flags;
	bool lied;

	spin_lock_irqsave(&queue->lock, flags);
	if (!queue->live || queue->ring.lie) {
		spin_unlock_irqrestore(&queue->lock, flags);
		return false;
	}
	while (count < ARRAY_SIZE(done) && ring_reap(&queue->ring, &done[count]))
		count++;
	if (count)
		ring_consumed(&queue->ring);
	lied = queue->ring.lie;
	spin_unlock_irqrestore(&queue->lock, flags);
	for (i = 0; i < count; i++)
		hand_over(&done[i], queue->nvme, iob);
	if (unlikely(lied))
		report_lie(queue);
	return count;
}

static int poll_hctx(struct blk_mq_hw_ctx *hctx, struct io_comp_batch *iob)
{
	struct rktio_nvme_queue *queue = hctx->driver_data;

	return ring_pending(&queue->ring) && queue_poll(queue, iob);
}

/* ---- The poll loop ---- */

static bool waits(const struct rktio_nvme_queue *queue)
{
	return READ_ONCE(queue->live) && READ_ONCE(queue->ring.in_flight);
}

static bool poll_queue(struct rktio_nvme_queue *queue)
{
	DEFINE_IO_COMP_BATCH(iob);
	bool found;

	if (!READ_ONCE(queue->live) || !ring_pending(&queue->ring))
		return false;
	if (unlikely(READ_ONCE(queue->armed)) && xchg(&queue->armed, false))
		*queue->untrusted_mask = 1;
	found = queue_poll(queue, &iob);
	if (!rq_list_empty(&iob.req_list))
		iob.complete(&iob);
	return found;
}

/* This CPU's queues first; what others have not taken, only without own work. */
static bool poller_poll(struct libos_poller *poller)
{
	unsigned int own = smp_processor_id() + 1, i, j;
	bool found = false;

	for (i = 0; i < controllers.count; i++)
		if (own < controllers.list[i]->queue_count)
			found |= poll_queue(&controllers.list[i]->queues[own]);
	if (found)
		return true;
	for (i = 0; i < controllers.count; i++)
		for (j = 0; j < controllers.list[i]->queue_count; j++)
			if (j != own)
				found |= poll_queue(&controllers.list[i]->queues[j]);
	return found;
}

/*
 * Interrupts are masked in the device but for the time of a sleep: the mask
 * bit is in memory that is mapped, so this costs no call. What completed just
 * before stays pending in the device, or is seen by the look after it.
 */
static bool arm_queue(struct rktio_nvme_queue *queue)
{
	if (!waits(queue))
		return false;
	if (queue->event < 0)
		return queue->ring.id;	/* only the admin queue waits for ever */
	if (!xchg(&queue->armed, true)) {
		libos_nvme_stats.armed++;
		*queue->untrusted_mask = 0;
		(void)*queue->untrusted_mask;	/* posted writes go out first */
	}
	return ring_pending(&queue->ring);
}

static bool poller_arm(struct libos_poller *poller)
{
	unsigned int i, j;
	bool found = false;

	for (i = 0; i < controllers.count; i++)
		for (j = 0; j < controllers.list[i]->queue_count; j++)
			found |= arm_queue(&controllers.list[i]->queues[j]);
	return found;
}

static struct libos_poller rktio_nvme_poller = {
	.name	= "rktio_nvme",
	.poll	= poller_poll,
	.arm	= poller_arm,
};

void queues_register_poller(struct rktio_nvme **list, unsigned int count)
{
	unsigned int i, j;

	controllers.list = list;
	controllers.count = count;
	for (i = 0; i < count; i++)
		for (j = 0; j < list[i]->queue_count; j++)
			if (list[i]->queues[j].event >= 0)
				rt_wait_add_event(list[i]->queues[j].event);
	libos_poller_register(&rktio_nvme_poller);
}

/* ---- Submission ---- */

static blk_status_t submit(struct rktio_nvme_queue *queue, struct request *rq, bool last)
{
	struct rktio_nvme_command *command = blk_mq_rq_to_pdu(rq);
	unsigned long flags;
	int id;

	spin_lock_irqsave(&queue->lock, flags);
	id = queue->live ? ring_submit(&queue->ring, &command->cmd, rq) : -1;
	if (id >= 0)
		command->id = id;
	if (id < 0 || last)
		ring_ring(&queue->ring);
	spin_unlock_irqrestore(&queue->lock, flags);
	if (id >= 0)
		return BLK_STS_OK;
	return queue->ring.lie ? BLK_STS_IOERR : BLK_STS_RESOURCE;
}

static void count_command(const struct request *rq)
{
	libos_nvme_stats.commands++;
	if (req_op(rq) == REQ_OP_READ)
		libos_nvme_stats.read_bytes += blk_rq_bytes(rq);
	else if (req_op(rq) == REQ_OP_WRITE)
		libos_nvme_stats.written_bytes += blk_rq_bytes(rq);
	else if (req_op(rq) == REQ_OP_FLUSH)
		libos_nvme_stats.flushes++;
}

static blk_status_t queue_request(struct blk_mq_hw_ctx *hctx,
				  const struct blk_mq_queue_data *bd)
{
	struct rktio_nvme_queue *queue = hctx->driver_data;
	struct rktio_nvme_command *command = blk_mq_rq_to_pdu(bd->rq);
	struct nvme_ns *ns = hctx->queue->queuedata;
	struct request *rq = bd->rq;
	blk_status_t status;
	int err;

	if (unlikely(!queue->live))
		return nvme_fail_nonready_command(&queue->nvme->ctrl, rq);
	if (unlikely(!nvme_check_ready(&queue->nvme->ctrl, rq, true)))
		return nvme_fail_nonready_command(&queue->nvme->ctrl, rq);
	/* Of the record, not of the device: that could take its word back. */
	if (ns && queue->nvme->device->readonly && op_is_write(req_op(rq)))
		return BLK_STS_IOERR;
	command->aborted = false;
	status = nvme_setup_cmd(ns, rq);
	if (status)
		return status;
	err = bounce_map(queue, rq, &command->cmd);
	if (err) {
		nvme_cleanup_cmd(rq);
		return err == -EBUSY ? BLK_STS_RESOURCE : BLK_STS_IOERR;
	}
	count_command(rq);
	nvme_start_request(rq);
	status = submit(queue, rq, bd->last);
	if (status) {
		nvme_req(rq)->status = NVME_SC_HOST_PATH_ERROR;	/* copy nothing back */
		bounce_unmap(queue, rq);
		nvme_cleanup_cmd(rq);
		return status;
	}
	return BLK_STS_OK;	/* it may be over by now, and be another's */
}

static void commit_requests(struct blk_mq_hw_ctx *hctx)
{
	struct rktio_nvme_queue *queue = hctx->driver_data;
	unsigned long flags;

	spin_lock_irqsave(&queue->lock, flags);
	if (queue->live)
		ring_ring(&queue->ring);
	spin_unlock_irqrestore(&queue->lock, flags);
}

/* Of the core: an asynchronous event may now be answered with (5.2). */
void queue_submit_event_request(struct nvme_ctrl *ctrl)
{
	struct rktio_nvme_queue *queue = &to_rktio_nvme(ctrl)->queues[0];
	struct nvme_command cmd = { .common.opcode = nvme_admin_async_event };
	unsigned long flags;

	spin_lock_irqsave(&queue->lock, flags);
	if (queue->live && ring_submit(&queue->ring, &cmd, &event_request) >= 0)
		ring_ring(&queue->ring);
	spin_unlock_irqrestore(&queue->lock, flags);
}

/* ---- blk-mq ---- */

static int init_request(struct blk_mq_tag_set *set, struct request *rq,
			unsigned int hctx_index, unsigned int numa_node)
{
	struct rktio_nvme_command *command = blk_mq_rq_to_pdu(rq);

	nvme_req(rq)->ctrl = set->driver_data;
	nvme_req(rq)->cmd = &command->cmd;
	return 0;
}

static int init_admin_hctx(struct blk_mq_hw_ctx *hctx, void *data, unsigned int index)
{
	hctx->driver_data = &to_rktio_nvme(data)->queues[0];
	return 0;
}

/* A queue has two contexts: for those that wait for events, and those that poll. */
static int init_io_hctx(struct blk_mq_hw_ctx *hctx, void *data, unsigned int index)
{
	struct rktio_nvme *nvme = to_rktio_nvme(data);
	unsigned int pairs = nvme->ctrl.queue_count / 2;

	hctx->driver_data = &nvme->queues[1 + index % pairs];
	return 0;
}

static void map_queues(struct blk_mq_tag_set *set)
{
	unsigned int pairs = set->nr_hw_queues / 2, cpu;

	set->map[HCTX_TYPE_DEFAULT].nr_queues = pairs;
	set->map[HCTX_TYPE_DEFAULT].queue_offset = 0;
	set->map[HCTX_TYPE_READ].nr_queues = 0;
	set->map[HCTX_TYPE_POLL].nr_queues = pairs;
	set->map[HCTX_TYPE_POLL].queue_offset = pairs;
	for_each_possible_cpu(cpu) {
		set->map[HCTX_TYPE_DEFAULT].mq_map[cpu] = cpu % pairs;
		set->map[HCTX_TYPE_POLL].mq_map[cpu] = pairs + cpu % pairs;
	}
}

const struct blk_mq_ops rktio_nvme_admin_ops = {
	.queue_rq	= queue_request,
	.complete	= complete_request,
	.init_hctx	= init_admin_hctx,
	.init_request	= init_request,
	.timeout	= rktio_nvme_timeout,
};

const struct blk_mq_ops rktio_nvme_io_ops = {
	.queue_rq	= queue_request,
	.commit_rqs	= commit_requests,
	.complete	= complete_request,
	.init_hctx	= init_io_hctx,
	.init_request	= init_request,
	.map_queues	= map_queues,
	.timeout	= rktio_nvme_timeout,
	.poll		= poll_hctx,
};
