// SPDX-License-Identifier: GPL-2.0-only
/*
 * The layout of a ring: where its parts lie in the memory that the host gave,
 * checked once, so that blk_ring.c never looks at the host's geometry again.
 */
#include <errno.h>

#include "blk.h"

static void slots_init(struct rt_blk_ring *ring)
{
	for (unsigned int i = 0; i < RT_BLK_SLOTS; i++) {
		ring->slots[i].request = NULL;
		ring->slots[i].generation = 0;
		ring->slots[i].next_free = i + 1;
	}
	ring->first_free = 0;
	ring->in_flight = 0;
}

/* A u32 array of @count at @offset of a mapping of @bytes; NULL for a lie. */
static void *locate(void *base, size_t bytes, uint32_t offset, size_t item,
		    uint32_t count)
{
	if (offset % sizeof(uint32_t) || offset > bytes)
		return NULL;
	if ((bytes - offset) / item < count)
		return NULL;
	return (char *)base + offset;
}

static bool power_of_two(uint32_t n)
{
	return n && !(n & (n - 1));
}

static void ring_reset(struct rt_blk_ring *ring, int fd)
{
	ring->fd = fd;
	ring->enter = NULL;
	ring->sq_tail = 0;
	ring->cq_head = 0;
	ring->unsubmitted = 0;
	ring->out.done = NULL;
	ring->out.done_last = &ring->out.done;
	slots_init(ring);
}

void rt_blk_ring_init_synchronous(struct rt_blk_ring *ring)
{
	ring_reset(ring, -1);
}

int rt_blk_ring_init(struct rt_blk_ring *ring, int fd, void *rings,
		     size_t rings_bytes, void *sqes, size_t sqes_bytes,
		     const struct io_uring_params *host_params)
{
	const struct io_sqring_offsets *sq = &host_params->sq_off;
	const struct io_cqring_offsets *cq = &host_params->cq_off;
	uint32_t sq_entries = host_params->sq_entries;
	uint32_t cq_entries = host_params->cq_entries;
	uint32_t *untrusted_array;

	if (!power_of_two(sq_entries) || !power_of_two(cq_entries) ||
	    sq_entries < RT_BLK_SLOTS || cq_entries < RT_BLK_SLOTS)
		return -EPROTO;
	ring_reset(ring, fd);
	ring->sq_mask = sq_entries - 1;
	ring->cq_mask = cq_entries - 1;
	ring->untrusted_sqes = locate(sqes, sqes_bytes, 0,
				      sizeof(struct io_uring_sqe), sq_entries);
	ring->untrusted_sq_tail = locate(rings, rings_bytes, sq->tail, 4, 1);
	ring->untrusted_sq_flags = locate(rings, rings_bytes, sq->flags, 4, 1);
	ring->untrusted_cq_tail = locate(rings, rings_bytes, cq->tail, 4, 1);
	ring->untrusted_cq_head = locate(rings, rings_bytes, cq->head, 4, 1);
	ring->untrusted_cqes = locate(rings, rings_bytes, cq->cqes,
				      sizeof(struct io_uring_cqe), cq_entries);
	untrusted_array = locate(rings, rings_bytes, sq->array, 4, sq_entries);
	if (!ring->untrusted_sqes || !ring->untrusted_sq_tail ||
	    !ring->untrusted_sq_flags || !ring->untrusted_cq_tail ||
	    !ring->untrusted_cq_head || !ring->untrusted_cqes ||
	    !untrusted_array || cq->cqes % sizeof(uint64_t))
		return -EPROTO;
	/* Entries are used in order, so the indirection never changes. */
	for (uint32_t i = 0; i < sq_entries; i++)
		untrusted_array[i] = i;
	return 0;
}
