/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Disks behind vhost-user: what blk_vhost*.c share. The control channel is with
 * an attendant on the host (abi/vhost_disk.h); here are the rings.
 */
#ifndef RT_BLK_VHOST_H
#define RT_BLK_VHOST_H

#include "../../abi/vhost_disk.h"
#include "blk.h"
#include "virtqueue.h"

/*
 * One virtqueue. A request is a chain of descriptors: its header, buffers, its
 * status. Each descriptor has a place for header and status and a buffer of its
 * own in the DMA region, so that taking descriptors takes these, too.
 */
struct rt_blk_vhost_queue {
	struct virtqueue vq;
	struct rt_blk_vhost_disk *disk;
	unsigned int index;		/* of the disk's queues */
	int kick, call;			/* eventfds, the same for every back end */
	char *meta;			/* in the DMA region */
	char *data;			/* in the DMA region */
	uint16_t published;		/* avail_next as the device knows it */
	bool armed;			/* the device signals the next completion */
	bool signalled;			/* it may have, since the eventfd was read */
	unsigned int arms;
	unsigned int generation;	/* of the disk that these rings belong to */
	uint32_t order;			/* counts requests: the order of submission */
	/* Requests that are not on the ring: it is full, or there is no back end. */
	struct rt_blk_request *waiting;
	struct rt_blk_request **waiting_last;
	struct rt_blk_outbox out;
	struct virtqueue_slot slot[VHOST_DISK_ENTRIES];
	uint32_t order_of[VHOST_DISK_ENTRIES];	/* by head in flight */
};

struct rt_blk_vhost_disk {
	unsigned int index;		/* 0: vda */
	int control;			/* to the attendant */
	char *base;			/* of the DMA region */
	unsigned int queue_count;
	unsigned int first_queue;	/* in rt_blk.vhost_queues */
	bool may_unmap;			/* writing zeroes may give space back */
	struct vhost_disk_news agreed;
	/*
	 * Odd: there is a back end; it rises with each that goes or comes. Queues
	 * follow when they are looked at, and the last one says READY.
	 */
	unsigned int generation;
	unsigned int to_follow;
	const char *lie;		/* what ended it; see rt_blk_vhost_end() */
	const char *failure;
	const char *news;		/* for the user, until it is taken */
	bool looking;
	uint64_t look_tsc;		/* the next look at the control channel */
	uint64_t progress, seen_progress, quiet_tsc;
};

/*
 * blk_vhost_config.c: what a back end's features and config space say the disk
 * is. Returns NULL, or what is wrong with them.
 */
const char *rt_blk_vhost_config(const struct vhost_disk_news *host_news,
				struct rt_blk_disk_info *ret, bool *ret_may_unmap);

/* The same for a back end that returns; @info and @agreed are the first one's. */
const char *rt_blk_vhost_config_again(const struct vhost_disk_news *host_news,
				      const struct vhost_disk_news *agreed,
				      const struct rt_blk_disk_info *info);

/* blk_vhost_start.c: start-up. As rt_blk_start(), for the disk of this index. */
int rt_blk_vhost_start(const struct rt_launch_disk *launch, unsigned int index,
		       char *error, size_t error_size);

/* Lay a queue over its part of the region. */
void rt_blk_vhost_init_queue(struct rt_blk_vhost_queue *q, struct rt_blk_vhost_disk *disk,
			     unsigned int index);

/* blk_vhost_control.c: news of the attendant, if it is time to look. */
void rt_blk_vhost_look(struct rt_blk_vhost_disk *disk);
bool rt_blk_vhost_look_is_due(const struct rt_blk_vhost_disk *disk);

/* Fail closed: every request of the disk ends with -EIO from now on. */
void rt_blk_vhost_end(struct rt_blk_vhost_disk *disk, const char *why);

/* One byte to the attendant. */
void rt_blk_vhost_tell(const struct rt_blk_vhost_disk *disk, uint8_t what);

/* blk_vhost_chain.c: how many descriptors a request takes; there must be as many free. */
unsigned int rt_blk_vhost_descriptors(const struct rt_blk_request *request);
void rt_blk_vhost_put(struct rt_blk_vhost_queue *q, struct rt_blk_request *request);

/* Between the request's segments and the buffers of the chain from @slot on. */
void rt_blk_vhost_copy(const struct rt_blk_vhost_queue *q, const struct rt_blk_request *request,
		       uint16_t slot, bool to_device);

/* What the device left there, read once. */
uint8_t rt_blk_vhost_status(const struct rt_blk_vhost_queue *q, uint16_t head);

/* blk_vhost.c: the data path; see asm/runtime_blk.h. */
unsigned int rt_blk_vhost_queue_of(const struct rt_blk_vhost_disk *disk, unsigned int cpu);
int rt_blk_vhost_queue(struct rt_blk_vhost_queue *q, struct rt_blk_request *request);
void rt_blk_vhost_commit(struct rt_blk_vhost_queue *q);
bool rt_blk_vhost_pending(const struct rt_blk_vhost_queue *q);
bool rt_blk_vhost_arm(struct rt_blk_vhost_queue *q);
struct rt_blk_request *rt_blk_vhost_reap(struct rt_blk_vhost_queue *q);

#endif /* RT_BLK_VHOST_H */
