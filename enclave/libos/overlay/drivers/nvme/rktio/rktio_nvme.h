/* SPDX-License-Identifier: GPL-2.0-only */
/* An NVMe controller of the library OS: what the files of this driver share. */
#ifndef RKTIO_NVME_H
#define RKTIO_NVME_H

#include <linux/blk-mq.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/spinlock.h>

#include <asm/poller.h>
#include <asm/runtime_nvme.h>

#include "nvme.h"
#include "ring.h"

enum {
	TRANSFER_BYTES = 512 << 10,	/* of one command, at most */
	TRANSFER_PAGES = TRANSFER_BYTES / NVME_CTRL_PAGE_SIZE,
	ADMIN_PAGES = 2 * TRANSFER_PAGES,
	QUEUE_PAGES = 8 * TRANSFER_PAGES,
};

/*
 * The pages of one queue through which data goes. Private memory is never given
 * to the device, so each byte is copied once, as it is for a network.
 */
struct nvme_bounce {
	spinlock_t lock;		/* protects free[] */
	u8 *pages;			/* device-visible */
	u64 pages_iova;
	u16 free_count;
	u16 *free;
};

struct rktio_nvme_queue {
	spinlock_t lock;		/* serialises ring_*() */
	struct ring ring;
	struct rktio_nvme *nvme;
	bool live;
	bool armed;			/* its event may have been raised */
	void *sq, *cq;			/* device-visible */
	u64 sq_iova, cq_iova;
	struct nvme_bounce bounce;
	int event;			/* -1: none */
	volatile u32 *untrusted_mask;
} ____cacheline_aligned_in_smp;

/* Beside each request. */
struct rktio_nvme_command {
	struct nvme_request req;	/* of the core; must be first */
	struct nvme_command cmd;
	bool aborted;
	u16 id;				/* of the ring's choice */
	u16 page_count;
	u16 pages[TRANSFER_PAGES + 1];	/* of the bounce pages; the last may be a list */
};

struct rktio_nvme {
	struct nvme_ctrl ctrl;
	const struct rt_nvme_device *device;
	struct platform_device *platform;
	struct ring_limits limits;
	struct blk_mq_tag_set admin_tags, io_tags;
	struct mutex disable_lock;
	struct work_struct lie_work;	/* the admin queue was stopped */
	bool enabled;
	u16 entries;			/* of each I/O queue */
	unsigned int queue_count;	/* that memory is there for */
	struct rktio_nvme_queue *queues;	/* admin first */
};

static inline struct rktio_nvme *to_rktio_nvme(struct nvme_ctrl *ctrl)
{
	return container_of(ctrl, struct rktio_nvme, ctrl);
}

/* data.c */
int bounce_init(struct nvme_bounce *bounce, unsigned int pages);
int bounce_map(struct rktio_nvme_queue *queue, struct request *rq,
	       struct nvme_command *cmd);
void bounce_unmap(struct rktio_nvme_queue *queue, struct request *rq);

/* queue.c */
extern const struct blk_mq_ops rktio_nvme_admin_ops, rktio_nvme_io_ops;
int queue_memory(struct rktio_nvme *nvme);
void queue_start(struct rktio_nvme_queue *queue, u16 id, u16 entries);
void queue_stop(struct rktio_nvme_queue *queue);
bool queue_poll(struct rktio_nvme_queue *queue, struct io_comp_batch *iob);
void queue_submit_event_request(struct nvme_ctrl *ctrl);
void queues_register_poller(struct rktio_nvme **controllers, unsigned int count);

/* ctrl.c */
enum blk_eh_timer_return rktio_nvme_timeout(struct request *rq);

#endif /* RKTIO_NVME_H */
