// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rings of a queue pair. What the device wrote is read once, into a local,
 * and compared with what is in flight; the first lie stops the ring for good.
 */
#include "ring.h"

#ifdef __KERNEL__
#include <asm/barrier.h>
#else
#define dma_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define dma_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
#endif

enum {
	NO_SLOT = 0xff,
	SLOT_BITS = 8,
	REG_DOORBELLS = 0x1000,
};

const char *ring_limits_read(u64 untrusted_cap, u64 bar_bytes,
			     struct ring_limits *ret)
{
	u32 entries = (untrusted_cap & 0xffff) + 1;
	u64 queues;

	if (untrusted_cap == ~0ULL)
		return "it reads as all ones: it is gone";
	if (entries < RING_ENTRIES_MIN)
		return "its queues are too short";
	if ((untrusted_cap >> 48) & 0xf)
		return "it has no pages of 4 KiB";
	if (!((untrusted_cap >> 37) & 1))
		return "it has no NVM command set";
	ret->doorbell_bytes = 4U << ((untrusted_cap >> 32) & 0xf);
	if (bar_bytes <= REG_DOORBELLS)
		return "its registers are cut off";
	queues = (bar_bytes - REG_DOORBELLS) / (2 * ret->doorbell_bytes);
	if (queues < 2)
		return "it has no room for doorbells";
	ret->queues = queues > 0xffff ? 0xffff : queues;
	ret->entries = entries > RING_ENTRIES_MAX ? RING_ENTRIES_MAX : entries;
	return (void *)0;
}

void ring_reset(struct ring *ring, u16 id, u16 entries, void *sq, void *cq,
		volatile void *bar, const struct ring_limits *limits)
{
	volatile u8 *doorbells = (volatile u8 *)bar + REG_DOORBELLS +
				 2U * id * limits->doorbell_bytes;
	volatile u32 *cqe = cq;
	u16 i;

	ring->id = id;
	ring->entries = entries;
	ring->sq_tail = 0;
	ring->sq_head = 0;
	ring->cq_head = 0;
	ring->cq_phase = 1;
	ring->in_flight = 0;
	ring->lie = RING_HONEST;
	ring->untrusted_sq = sq;
	ring->untrusted_cq = cq;
	ring->sq_doorbell = (volatile u32 *)doorbells;
	ring->cq_doorbell = (volatile u32 *)(doorbells + limits->doorbell_bytes);
	ring->first_free = 0;
	/* Generations go on: an answer from before the reset fits nobody. */
	for (i = 0; i < entries; i++) {
		ring->slots[i].owner = (void *)0;
		ring->slots[i].next_free = i + 1 < entries ? i + 1 : NO_SLOT;
	}
	for (i = 0; i < entries * RING_CQE_BYTES / 4; i++)
		cqe[i] = 0;
}

static u16 next_index(const struct ring *ring, u16 index)
{
	return index + 1 == ring->entries ? 0 : index + 1;
}

int ring_submit(struct ring *ring, const void *command, void *owner)
{
	volatile u64 *sqe = (volatile u64 *)(ring->untrusted_sq +
					     ring->sq_tail * RING_SQE_BYTES);
	const u64 *from = command;
	struct ring_slot *slot;
	u16 id;
	int i;

	/* One entry stays free: full must not look like empty. */
	if (ring->lie || ring->first_free == NO_SLOT ||
	    next_index(ring, ring->sq_tail) == ring->sq_head)
		return -1;
	slot = &ring->slots[ring->first_free];
	id = ring->first_free | (u16)(++slot->generation) << SLOT_BITS;
	ring->first_free = slot->next_free;
	slot->owner = owner;
	ring->in_flight++;
	sqe[0] = (from[0] & ~0xffff0000ULL) | (u64)id << 16;
	for (i = 1; i < RING_SQE_BYTES / 8; i++)
		sqe[i] = from[i];
	ring->sq_tail = next_index(ring, ring->sq_tail);
	return id;
}

void ring_ring(struct ring *ring)
{
	dma_wmb();
	*ring->sq_doorbell = ring->sq_tail;
}

static u32 read_last_word(const struct ring *ring)
{
	return ring->untrusted_cq[ring->cq_head * RING_CQE_BYTES / 4 + 3];
}

bool ring_pending(const struct ring *ring)
{
	return !ring->lie && ring->in_flight &&
	       ((read_last_word(ring) >> 16) & 1) == ring->cq_phase;
}

static bool stop(struct ring *ring, enum ring_lie lie, u64 value)
{
	ring->lie = lie;
	ring->lie_value = value;
	return false;
}

/* The head may pass what was given, and never what was not. */
static bool head_is_possible(const struct ring *ring, u16 head)
{
	u16 given, passed;

	if (head >= ring->entries)
		return false;
	given = (ring->sq_tail + ring->entries - ring->sq_head) % ring->entries;
	passed = (head + ring->entries - ring->sq_head) % ring->entries;
	return passed <= given;
}

static void *take(struct ring *ring, u16 id)
{
	u8 index = id & ((1 << SLOT_BITS) - 1);
	struct ring_slot *slot;
	void *owner;

	if (index >= ring->entries)
		return (void *)0;
	slot = &ring->slots[index];
	owner = slot->owner;
	if (!owner || slot->generation != id >> SLOT_BITS)
		return (void *)0;
	slot->owner = (void *)0;
	slot->next_free = ring->first_free;
	ring->first_free = index;
	ring->in_flight--;
	return owner;
}

bool ring_reap(struct ring *ring, struct ring_completion *ret)
{
	const volatile u32 *untrusted_cqe =
		&ring->untrusted_cq[ring->cq_head * RING_CQE_BYTES / 4];
	u32 id_status, head_queue;

	if (ring->lie)
		return false;
	id_status = read_last_word(ring);
	if (((id_status >> 16) & 1) != ring->cq_phase)
		return false;
	dma_rmb();
	head_queue = untrusted_cqe[2];
	if (head_queue >> 16 != ring->id)
		return stop(ring, RING_WRONG_QUEUE, head_queue >> 16);
	if (!head_is_possible(ring, head_queue & 0xffff))
		return stop(ring, RING_WRONG_HEAD, head_queue & 0xffff);
	ret->result = untrusted_cqe[0] | (u64)untrusted_cqe[1] << 32;
	ret->status = id_status >> 16;
	ret->owner = take(ring, id_status & 0xffff);
	if (!ret->owner)
		return stop(ring, RING_UNKNOWN_ID, id_status & 0xffff);
	ring->sq_head = head_queue & 0xffff;
	ring->cq_head = next_index(ring, ring->cq_head);
	if (!ring->cq_head)
		ring->cq_phase ^= 1;
	return true;
}

void ring_consumed(struct ring *ring)
{
	*ring->cq_doorbell = ring->cq_head;
}

void *ring_forget(struct ring *ring)
{
	u16 i;

	for (i = 0; i < ring->entries; i++)
		if (ring->slots[i].owner)
			return take(ring, i | (u16)ring->slots[i].generation << SLOT_BITS);
	return (void *)0;
}

const char *ring_lie_text(enum ring_lie lie)
{
	switch (lie) {
	case RING_UNKNOWN_ID:
		return "it completed a command that is not in flight";
	case RING_WRONG_QUEUE:
		return "it completed a command of another queue";
	case RING_WRONG_HEAD:
		return "it took a command that was not given";
	default:
		return "all is well";
	}
}
