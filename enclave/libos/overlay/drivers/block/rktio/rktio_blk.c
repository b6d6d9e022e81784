// SPDX-License-Identifier: GPL-2.0-only
/*
 * The disks of the library OS: blk-mq over the runtime's rings, which are the
 * host's io_urings, or virtqueues that a back end in another process polls.
 * Requests are queued and handed over once per batch; completions are found in
 * shared memory by the poll loop.
 *
 * The ring is that of the CPU that runs, whatever the hardware context: only
 * its own host thread may submit to an io_uring, and a task can move between
 * allocating a request and issuing it.
 */
#define pr_fmt(fmt) "rktio_blk: " fmt

#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/init.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/spinlock.h>

#include <asm/poller.h>
#include <asm/runtime.h>
#include <asm/runtime_blk.h>
#include <asm/runtime_wait.h>

enum {
	QUEUE_DEPTH = 64,		/* per CPU, and as many polled */
	SEGMENTS_MAX = 128,
	MINORS = 16,
	TIMEOUT_SECONDS = 30,
};

struct rktio_blk_request {
	struct rt_blk_request host;
	struct rt_blk_segment segments[SEGMENTS_MAX];
};

struct rktio_blk_disk {
	unsigned int index;
	struct blk_mq_tag_set tag_set;
	struct gendisk *gendisk;
};

struct rktio_blk_ring {
	spinlock_t lock;		/* serialises rt_blk_*(this ring) */
	bool starved;			/* a queue was stopped: ring full */
} ____cacheline_aligned_in_smp;

static struct {
	int major;
	unsigned int disk_count;
	unsigned int ring_count;
	struct rktio_blk_disk *disks;
	struct rktio_blk_ring *rings;
} rktio_blk;

/* ---- Completion ---- */

static blk_status_t status_of(const struct request *rq, int result)
{
	switch (result) {
	case 0:
		return BLK_STS_OK;
	case -ENOSPC:
	case -EDQUOT:
		pr_warn_ratelimited("%s: no space left on the host's disk\n",
				    rq->q->disk->disk_name);
		return BLK_STS_NOSPC;
	case -EOPNOTSUPP:
		return BLK_STS_NOTSUPP;
	default:
		return BLK_STS_IOERR;
	}
}

static void rktio_blk_complete(struct request *rq)
{
	struct rktio_blk_request *request = blk_mq_rq_to_pdu(rq);

	blk_mq_end_request(rq, status_of(rq, request->host.result));
}

static int complete_list(struct rt_blk_request *done, struct io_comp_batch *iob)
{
	struct rt_blk_request *next;
	int count = 0;

	for (; done; done = next, count++) {
		struct rktio_blk_request *request =
			container_of(done, struct rktio_blk_request, host);
		struct request *rq = blk_mq_rq_from_pdu(request);

		next = done->next;	/* a completed request is reused */
		if (blk_mq_complete_request_remote(rq))
			continue;
		if (!blk_mq_add_to_batch(rq, iob, done->result != 0,
					 blk_mq_end_request_batch))
			rktio_blk_complete(rq);
	}
	return count;
}

/* A back end went or came, or was caught at a lie. */
static void tell_news(unsigned int ring)
{
	int disk = rt_blk_ring_disk(ring);
	const char *news = disk < 0 ? NULL : rt_blk_disk_news(disk);

	if (news)
		pr_err("vd%c: %s\n", 'a' + disk, news);
}

static void restart_queues(void)
{
	struct gendisk *gendisk;
	unsigned int i;

	for (i = 0; i < rktio_blk.disk_count; i++) {
		gendisk = rktio_blk.disks[i].gendisk;
		if (gendisk)
			blk_mq_start_stopped_hw_queues(gendisk->queue, true);
	}
}

static int reap_ring(unsigned int index, bool own, struct io_comp_batch *iob)
{
	struct rktio_blk_ring *ring = &rktio_blk.rings[index];
	struct rt_blk_request *done;
	unsigned long flags;
	bool restart = false;

	if (!rt_blk_pending(index, own))
		return 0;
	spin_lock_irqsave(&ring->lock, flags);
	done = rt_blk_reap(index, own);
	if (done && ring->starved) {
		ring->starved = false;
		restart = true;
	}
	spin_unlock_irqrestore(&ring->lock, flags);
	if (rt_blk_failure())
		pr_emerg_once("%s: all disks are stopped\n", rt_blk_failure());
	tell_news(index);
	if (restart)
		restart_queues();
	return complete_list(done, iob);
}

/* This CPU's ring first; when it has nothing, what others have not taken. */
static int reap(struct io_comp_batch *iob)
{
	unsigned int cpu = get_cpu();
	unsigned int i;
	int count;

	count = reap_ring(cpu, true, iob);
	for (i = 0; !count && i < rktio_blk.ring_count; i++)
		if (i != cpu)
			count = reap_ring(i, false, iob);
	put_cpu();
	return count;
}

/* From a task that waits for its own request: only where that can be. */
static int rktio_blk_poll(struct blk_mq_hw_ctx *hctx, struct io_comp_batch *iob)
{
	const struct rktio_blk_disk *disk = hctx->queue->queuedata;
	unsigned int cpu = get_cpu();
	int count = reap_ring(rt_blk_ring_of(disk->index, cpu), true, iob);

	put_cpu();
	return count ?: reap(iob);
}

static bool poller_poll(struct libos_poller *poller)
{
	DEFINE_IO_COMP_BATCH(iob);
	int count = reap(&iob);

	if (!rq_list_empty(&iob.req_list))
		iob.complete(&iob);
	return count;
}

static bool poller_arm(struct libos_poller *poller)
{
	unsigned int cpu = smp_processor_id();
	unsigned int i;

	for (i = 0; i < rktio_blk.ring_count; i++)
		if (rt_blk_arm(i, i == cpu))
			return true;
	return false;
}

static struct libos_poller rktio_blk_poller = {
	.name	= "rktio_blk",
	.poll	= poller_poll,
	.arm	= poller_arm,
};

static enum blk_eh_timer_return rktio_blk_timeout(struct request *rq)
{
	pr_warn_ratelimited("%s: no answer from the host for %d s, still waiting\n",
			    rq->q->disk->disk_name, TIMEOUT_SECONDS);
	return BLK_EH_RESET_TIMER;
}

/* ---- Submission ---- */

/* RAM is mapped linearly in this process: the host takes kernel addresses. */
static int map_segments(struct request *rq, struct rktio_blk_request *request)
{
	struct rt_blk_segment *segment = NULL;
	struct req_iterator iter;
	unsigned int count = 0;
	struct bio_vec bv;

	rq_for_each_bvec(bv, rq, iter) {
		void *address = bvec_virt(&bv);

		if (segment && segment->address + segment->bytes == address) {
			segment->bytes += bv.bv_len;
			continue;
		}
		if (WARN_ON_ONCE(count == SEGMENTS_MAX))
			return -EIO;
		segment = &request->segments[count++];
		segment->address = address;
		segment->bytes = bv.bv_len;
	}
	request->host.segments = request->segments;
	request->host.segment_count = count;
	return count ? 0 : -EIO;
}

static int op_of(const struct request *rq)
{
	switch (req_op(rq)) {
	case REQ_OP_READ:
		return RT_BLK_READ;
	case REQ_OP_WRITE:
		return RT_BLK_WRITE;
	case REQ_OP_FLUSH:
		return RT_BLK_FLUSH;
	case REQ_OP_DISCARD:
		return RT_BLK_DISCARD;
	case REQ_OP_WRITE_ZEROES:
		return RT_BLK_ZERO;
	default:
		return -EOPNOTSUPP;
	}
}

static blk_status_t prepare(struct request *rq,
			    struct rktio_blk_request *request)
{
	const struct rktio_blk_disk *disk = rq->q->queuedata;
	int op = op_of(rq);

	if (op < 0)
		return BLK_STS_NOTSUPP;
	request->host.op = op;
	request->host.disk = disk->index;
	request->host.fua = rq->cmd_flags & REQ_FUA;
	request->host.keep_allocated = rq->cmd_flags & REQ_NOUNMAP;
	request->host.offset_bytes = (u64)blk_rq_pos(rq) << SECTOR_SHIFT;
	request->host.bytes = blk_rq_bytes(rq);
	if ((op == RT_BLK_READ || op == RT_BLK_WRITE) &&
	    map_segments(rq, request))
		return BLK_STS_IOERR;
	return BLK_STS_OK;
}

static blk_status_t rktio_blk_queue_rq(struct blk_mq_hw_ctx *hctx,
				       const struct blk_mq_queue_data *bd)
{
	struct rktio_blk_request *request = blk_mq_rq_to_pdu(bd->rq);
	struct rktio_blk_ring *ring;
	unsigned long flags;
	unsigned int index;
	blk_status_t status;
	int err;

	status = prepare(bd->rq, request);
	if (status)
		return status;
	blk_mq_start_request(bd->rq);

	local_irq_save(flags);
	index = rt_blk_ring_of(request->host.disk, smp_processor_id());
	ring = &rktio_blk.rings[index];
	spin_lock(&ring->lock);
	err = rt_blk_queue(index, &request->host);
	if (err == -EBUSY) {
		/* All of the ring is in flight, so a completion will come. */
		ring->starved = true;
		blk_mq_stop_hw_queue(hctx);
	}
	if (err || bd->last)
		rt_blk_commit(index);
	spin_unlock(&ring->lock);
	local_irq_restore(flags);

	if (err == -EBUSY)
		return BLK_STS_DEV_RESOURCE;
	return err ? BLK_STS_IOERR : BLK_STS_OK;
}

/* What another CPU queued before this task moved, its own poller submits. */
static void rktio_blk_commit_rqs(struct blk_mq_hw_ctx *hctx)
{
	const struct rktio_blk_disk *disk = hctx->queue->queuedata;
	unsigned long flags;
	unsigned int index;

	local_irq_save(flags);
	index = rt_blk_ring_of(disk->index, smp_processor_id());
	spin_lock(&rktio_blk.rings[index].lock);
	rt_blk_commit(index);
	spin_unlock(&rktio_blk.rings[index].lock);
	local_irq_restore(flags);
}

/* ---- Set-up ---- */

static void map_queue_type(struct blk_mq_tag_set *set, enum hctx_type type,
			   unsigned int offset)
{
	struct blk_mq_queue_map *map = &set->map[type];
	unsigned int cpu;

	map->queue_offset = offset;
	map->nr_queues = nr_cpu_ids;
	for_each_possible_cpu(cpu)
		map->mq_map[cpu] = offset + cpu;
}

static void rktio_blk_map_queues(struct blk_mq_tag_set *set)
{
	map_queue_type(set, HCTX_TYPE_DEFAULT, 0);
	set->map[HCTX_TYPE_READ].nr_queues = 0;
	map_queue_type(set, HCTX_TYPE_POLL, nr_cpu_ids);
}

static const struct blk_mq_ops rktio_blk_mq_ops = {
	.queue_rq	= rktio_blk_queue_rq,
	.commit_rqs	= rktio_blk_commit_rqs,
	.complete	= rktio_blk_complete,
	.timeout	= rktio_blk_timeout,
	.map_queues	= rktio_blk_map_queues,
	.poll		= rktio_blk_poll,
};

static const struct block_device_operations rktio_blk_fops = {
	.owner	= THIS_MODULE,
};

static void set_limits(const struct rt_blk_disk_info *info,
		       struct queue_limits *lim)
{
	if (info->write_cache)
		lim->features |= BLK_FEAT_WRITE_CACHE;
	if (info->fua)
		lim->features |= BLK_FEAT_FUA;
	lim->logical_block_size = info->logical_block_bytes;
	lim->physical_block_size = info->physical_block_bytes;
	lim->io_opt = info->best_bytes;
	lim->dma_alignment = max(info->memory_align_bytes,
				 info->logical_block_bytes) - 1;
	lim->max_hw_sectors = info->transfer_max_bytes >> SECTOR_SHIFT;
	lim->max_segments = SEGMENTS_MAX;
	lim->max_segment_size = UINT_MAX;
	lim->max_hw_discard_sectors = info->discard_max_bytes >> SECTOR_SHIFT;
	lim->max_write_zeroes_sectors = info->zero_max_bytes >> SECTOR_SHIFT;
	if (info->discard_max_bytes)
		lim->discard_granularity = info->discard_unit_bytes;
}

static int alloc_tags(struct rktio_blk_disk *disk)
{
	struct blk_mq_tag_set *set = &disk->tag_set;

	set->ops = &rktio_blk_mq_ops;
	set->nr_hw_queues = 2 * nr_cpu_ids;
	set->nr_maps = HCTX_MAX_TYPES;
	set->queue_depth = QUEUE_DEPTH;
	set->numa_node = NUMA_NO_NODE;
	set->timeout = TIMEOUT_SECONDS * HZ;
	set->cmd_size = sizeof(struct rktio_blk_request);
	set->flags = BLK_MQ_F_SHOULD_MERGE | BLK_MQ_F_NO_SCHED_BY_DEFAULT;
	return blk_mq_alloc_tag_set(set);
}

static int add_disk_of(struct rktio_blk_disk *disk)
{
	const struct rt_blk_disk_info *info = rt_blk_disk(disk->index);
	struct queue_limits lim = { };
	struct gendisk *gendisk;
	int err;

	err = alloc_tags(disk);
	if (err)
		return err;
	set_limits(info, &lim);
	gendisk = blk_mq_alloc_disk(&disk->tag_set, &lim, disk);
	if (IS_ERR(gendisk)) {
		err = PTR_ERR(gendisk);
		goto out_free_tags;
	}
	gendisk->major = rktio_blk.major;
	gendisk->first_minor = disk->index * MINORS;
	gendisk->minors = MINORS;
	gendisk->fops = &rktio_blk_fops;
	gendisk->private_data = disk;
	snprintf(gendisk->disk_name, DISK_NAME_LEN, "vd%c", 'a' + disk->index);
	set_capacity(gendisk, info->size_bytes >> SECTOR_SHIFT);
	set_disk_ro(gendisk, info->readonly);
	disk->gendisk = gendisk;
	err = add_disk(gendisk);
	if (err)
		goto out_put_disk;
	return 0;

out_put_disk:
	disk->gendisk = NULL;
	put_disk(gendisk);
out_free_tags:
	blk_mq_free_tag_set(&disk->tag_set);
	return err;
}

static void start_polling(void)
{
	unsigned int i;

	for (i = 0; i < rktio_blk.ring_count; i++) {
		spin_lock_init(&rktio_blk.rings[i].lock);
		if (rt_blk_ring_fd(i) >= 0)
			rt_wait_add_own(i, rt_blk_ring_fd(i));
	}
	for (i = 0; i < rktio_blk.disk_count; i++)
		if (rt_blk_disk_fd(i) >= 0)
			rt_wait_add(rt_blk_disk_fd(i));
	libos_poller_register(&rktio_blk_poller);
}

static int __init rktio_blk_init(void)
{
	unsigned int i;
	int err;

	rktio_blk.disk_count = rt_blk_disk_count();
	rktio_blk.ring_count = rt_blk_ring_count();
	if (!rktio_blk.disk_count)
		return 0;
	if (WARN_ON(rktio_blk.ring_count < nr_cpu_ids))
		return -EINVAL;
	rktio_blk.major = register_blkdev(0, "rktio_blk");
	if (rktio_blk.major < 0)
		return rktio_blk.major;
	rktio_blk.disks = kcalloc(rktio_blk.disk_count,
				  sizeof(*rktio_blk.disks), GFP_KERNEL);
	rktio_blk.rings = kcalloc(rktio_blk.ring_count,
				  sizeof(*rktio_blk.rings), GFP_KERNEL);
	if (!rktio_blk.disks || !rktio_blk.rings)
		return -ENOMEM;	/* at boot: there is no going on without */
	start_polling();
	for (i = 0; i < rktio_blk.disk_count; i++) {
		rktio_blk.disks[i].index = i;
		err = add_disk_of(&rktio_blk.disks[i]);
		if (err)
			pr_err("vd%c: cannot add the disk: %d\n", 'a' + i, err);
	}
	return 0;
}
device_initcall(rktio_blk_init);
