// SPDX-License-Identifier: GPL-2.0-only
/*
 * Data between private memory and a controller: copied through pages that the
 * device sees, which a command names by a list (PRP; NVM Express Base
 * Specification 2.0, 4.1.1).
 */
#include <linux/blk-integrity.h>
#include <linux/highmem.h>
#include <linux/slab.h>

#include "rktio_nvme.h"

int bounce_init(struct nvme_bounce *bounce, unsigned int pages)
{
	unsigned int i;

	spin_lock_init(&bounce->lock);
	bounce->free = kcalloc(pages, sizeof(*bounce->free), GFP_KERNEL);
	if (!bounce->free)
		return -ENOMEM;
	/* Last in, first out, and from the start: what is used stays in the cache. */
	for (i = 0; i < pages; i++)
		bounce->free[i] = pages - 1 - i;
	bounce->free_count = pages;
	return 0;
}

static bool take_pages(struct nvme_bounce *bounce, struct rktio_nvme_command *command,
		       unsigned int count)
{
	unsigned long flags;
	bool enough;

	spin_lock_irqsave(&bounce->lock, flags);
	enough = bounce->free_count >= count;
	if (enough) {
		bounce->free_count -= count;
		memcpy(command->pages, &bounce->free[bounce->free_count],
		       count * sizeof(*command->pages));
		command->page_count = count;
	}
	spin_unlock_irqrestore(&bounce->lock, flags);
	return enough;
}

static void give_pages(struct nvme_bounce *bounce, struct rktio_nvme_command *command)
{
	unsigned long flags;

	spin_lock_irqsave(&bounce->lock, flags);
	memcpy(&bounce->free[bounce->free_count], command->pages,
	       command->page_count * sizeof(*command->pages));
	bounce->free_count += command->page_count;
	spin_unlock_irqrestore(&bounce->lock, flags);
	command->page_count = 0;
}

static u8 *page_at(const struct nvme_bounce *bounce,
		   const struct rktio_nvme_command *command, unsigned int offset)
{
	return bounce->pages +
	       (size_t)command->pages[offset >> NVME_CTRL_PAGE_SHIFT] * NVME_CTRL_PAGE_SIZE +
	       offset % NVME_CTRL_PAGE_SIZE;
}

/* Copy @bytes at @address, which are the request's from @offset on. */
static void copy_run(const struct nvme_bounce *bounce,
		     const struct rktio_nvme_command *command, u8 *address,
		     unsigned int bytes, unsigned int offset, bool to_device)
{
	while (bytes) {
		unsigned int part = min_t(unsigned int, bytes,
					  NVME_CTRL_PAGE_SIZE - offset % NVME_CTRL_PAGE_SIZE);
		u8 *shared = page_at(bounce, command, offset);

		if (to_device)
			memcpy(shared, address, part);
		else
			memcpy(address, shared, part);
		address += part;
		offset += part;
		bytes -= part;
	}
}

static void copy_data(const struct nvme_bounce *bounce, struct request *rq, bool to_device)
{
	const struct rktio_nvme_command *command = blk_mq_rq_to_pdu(rq);
	struct req_iterator iter;
	unsigned int offset = 0;
	struct bio_vec bv;

	if (rq->rq_flags & RQF_SPECIAL_PAYLOAD) {
		copy_run(bounce, command, bvec_virt(&rq->special_vec),
			 rq->special_vec.bv_len, 0, to_device);
		return;
	}
	rq_for_each_bvec(bv, rq, iter) {
		copy_run(bounce, command, bvec_virt(&bv), bv.bv_len, offset, to_device);
		offset += bv.bv_len;
	}
}

static u64 page_iova(const struct nvme_bounce *bounce,
		     const struct rktio_nvme_command *command, unsigned int i)
{
	return bounce->pages_iova + (u64)command->pages[i] * NVME_CTRL_PAGE_SIZE;
}

/* Two pages have room in the command; the list of more is in one page more. */
static unsigned int pages_needed(unsigned int bytes)
{
	unsigned int pages = DIV_ROUND_UP(bytes, NVME_CTRL_PAGE_SIZE);

	return pages > 2 ? pages + 1 : pages;
}

static void fill_pages(struct nvme_bounce *bounce, struct rktio_nvme_command *command,
		       struct nvme_command *cmd)
{
	unsigned int last = command->page_count - 1;
	unsigned int i;
	__le64 *list;

	cmd->common.dptr.prp1 = cpu_to_le64(page_iova(bounce, command, 0));
	if (!last)
		return;
	cmd->common.dptr.prp2 = cpu_to_le64(page_iova(bounce, command, last));
	if (last == 1)
		return;
	list = (__le64 *)page_at(bounce, command, last * NVME_CTRL_PAGE_SIZE);
	for (i = 1; i < last; i++)
		WRITE_ONCE(list[i - 1], cpu_to_le64(page_iova(bounce, command, i)));
}

/*
 * Give the command its data pointer, and the data when it goes to the device.
 * -EBUSY: all pages are in flight; -EINVAL: too much for one command.
 */
int bounce_map(struct rktio_nvme_queue *queue, struct request *rq,
	       struct nvme_command *cmd)
{
	struct rktio_nvme_command *command = blk_mq_rq_to_pdu(rq);
	unsigned int bytes = blk_rq_payload_bytes(rq);

	command->page_count = 0;
	if (!blk_rq_nr_phys_segments(rq))
		return 0;
	if (!bytes || bytes > TRANSFER_BYTES)
		return -EINVAL;
	if (!take_pages(&queue->bounce, command, pages_needed(bytes)))
		return -EBUSY;
	fill_pages(&queue->bounce, command, cmd);
	if (rq_data_dir(rq) == WRITE)
		copy_data(&queue->bounce, rq, true);
	return 0;
}

/* The command is over: data that came from the device is the request's now. */
void bounce_unmap(struct rktio_nvme_queue *queue, struct request *rq)
{
	struct rktio_nvme_command *command = blk_mq_rq_to_pdu(rq);

	if (!command->page_count)
		return;
	if (rq_data_dir(rq) == READ && !nvme_req(rq)->status)
		copy_data(&queue->bounce, rq, false);
	give_pages(&queue->bounce, command);
}
