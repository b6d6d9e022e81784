// SPDX-License-Identifier: GPL-2.0-only
/*
 * The calls of the block driver (asm/runtime_blk.h): which disk and which ring
 * they are for. Kernel context, as what is called from here: blk_ring.c for
 * disks that are files, blk_vhost.c for those with back ends.
 */
#include "blk.h"
#include "blk_log.h"
#include "blk_vhost.h"

struct rt_blk rt_blk;

void rt_blk_request_finish(struct rt_blk_outbox *out,
			   struct rt_blk_request *request, int result)
{
	rt_blk_log(RT_BLK_LOG_END, request);
	request->result = result;
	request->next = NULL;
	*out->done_last = request;
	out->done_last = &request->next;
	if (result)
		out->stats.failed++;
}

void rt_blk_request_count(struct rt_blk_outbox *out,
			  const struct rt_blk_request *request)
{
	out->stats.requests[request->op]++;
	if (request->op == RT_BLK_READ)
		out->stats.read_bytes += request->bytes;
	else if (request->op == RT_BLK_WRITE)
		out->stats.written_bytes += request->bytes;
}

struct rt_blk_request *rt_blk_take_done(struct rt_blk_outbox *out)
{
	struct rt_blk_request *done = out->done;

	out->done = NULL;
	out->done_last = &out->done;
	return done;
}

unsigned int rt_blk_disk_count(void)
{
	return rt_blk.disk_count;
}

const struct rt_blk_disk_info *rt_blk_disk(unsigned int disk)
{
	return disk < rt_blk.disk_count ? &rt_blk.disks[disk].info : NULL;
}

unsigned int rt_blk_ring_count(void)
{
	return rt_blk.ring_count + rt_blk.vhost_count;
}

static bool is_file(unsigned int ring)
{
	return ring < rt_blk.ring_count;
}

static struct rt_blk_vhost_queue *vhost_queue(unsigned int ring)
{
	return &rt_blk.vhost_queues[ring - rt_blk.ring_count];
}

unsigned int rt_blk_ring_of(unsigned int disk, unsigned int cpu)
{
	const struct rt_blk_vhost_disk *vhost = rt_blk.disks[disk].vhost;

	return vhost ? rt_blk.ring_count + rt_blk_vhost_queue_of(vhost, cpu) : cpu;
}

int rt_blk_ring_disk(unsigned int ring)
{
	return is_file(ring) ? -1 : (int)vhost_queue(ring)->disk->index;
}

int rt_blk_ring_fd(unsigned int ring)
{
	return is_file(ring) ? rt_blk.rings[ring].fd : vhost_queue(ring)->call;
}

int rt_blk_ring_kick_fd(unsigned int ring)
{
	return is_file(ring) ? -1 : vhost_queue(ring)->kick;
}

int rt_blk_disk_fd(unsigned int disk)
{
	return rt_blk.disks[disk].vhost ? rt_blk.disks[disk].vhost->control : -1;
}

const char *rt_blk_disk_news(unsigned int disk)
{
	struct rt_blk_vhost_disk *vhost = rt_blk.disks[disk].vhost;

	return vhost ? __atomic_exchange_n(&vhost->news, NULL, __ATOMIC_ACQUIRE) : NULL;
}

void rt_blk_stats_read(struct rt_blk_stats *ret)
{
	unsigned long long *sum = (unsigned long long *)ret;
	size_t words = sizeof(*ret) / sizeof(*sum);

	for (size_t w = 0; w < words; w++) {
		sum[w] = 0;
		for (unsigned int r = 0; r < rt_blk.ring_count; r++)
			sum[w] += ((unsigned long long *)&rt_blk.rings[r].out.stats)[w];
		for (unsigned int q = 0; q < rt_blk.vhost_count; q++)
			sum[w] += ((unsigned long long *)&rt_blk.vhost_queues[q].out.stats)[w];
	}
}

int rt_blk_queue(unsigned int ring, struct rt_blk_request *request)
{
	rt_blk_log(RT_BLK_LOG_BEGIN, request);
	return is_file(ring) ? rt_blk_ring_queue(&rt_blk.rings[ring], request) :
			       rt_blk_vhost_queue(vhost_queue(ring), request);
}

void rt_blk_commit(unsigned int ring)
{
	if (is_file(ring))
		rt_blk_ring_commit(&rt_blk.rings[ring]);
	else
		rt_blk_vhost_commit(vhost_queue(ring));
}

bool rt_blk_pending(unsigned int ring, bool own)
{
	return is_file(ring) ? rt_blk_ring_pending(&rt_blk.rings[ring], own) :
			       rt_blk_vhost_pending(vhost_queue(ring));
}

bool rt_blk_arm(unsigned int ring, bool own)
{
	return is_file(ring) ? rt_blk_ring_pending(&rt_blk.rings[ring], own) :
			       rt_blk_vhost_arm(vhost_queue(ring));
}

struct rt_blk_request *rt_blk_reap(unsigned int ring, bool own)
{
	return is_file(ring) ? rt_blk_ring_reap(&rt_blk.rings[ring], own) :
			       rt_blk_vhost_reap(vhost_queue(ring));
}
