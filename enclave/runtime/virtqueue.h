/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The driver's half of a split virtqueue (virtio 1.2, 2.7), and its defence.
 *
 * The device owns the used ring and can rewrite all of the shared memory at any
 * time. So whatever must be remembered of a descriptor stands in private
 * memory, descriptors are only written, each used entry is fetched once, and
 * its id must be the head of a chain in flight.
 *
 * Of network and disks both, of which one calls from DPDK and one from the
 * library kernel's context: inline, without libc and SIMD. Callers serialise.
 */
#ifndef RT_VIRTQUEUE_H
#define RT_VIRTQUEUE_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>

struct virtqueue_slot {
	void *owner;		/* of the chain that begins here; NULL: not a head in flight */
	uint32_t bytes;		/* that the device may write into the chain */
	uint16_t count;		/* descriptors of the chain */
	uint16_t next;		/* in the chain, or in the list of free ones */
};

struct virtqueue {
	/* In shared memory. */
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *host_used;
	/* Private. */
	struct virtqueue_slot *slot;	/* one per descriptor */
	const char **lie;	/* where to note what the device was caught at */
	uint16_t entries;	/* a power of two */
	uint16_t avail_next;
	uint16_t used_next;
	uint16_t in_flight;	/* chains that the device has */
	uint16_t free_head;
	uint16_t free_count;
};

/* As memset; that of libc may use SIMD registers, which here are the application's. */
static inline void virtqueue_clear(void *at, unsigned long bytes)
{
	asm volatile("rep stosb" : "+D" (at), "+c" (bytes) : "a" (0) : "memory");
}

/* All descriptors free. The rings must be as virtqueue_clear_rings() leaves them. */
static inline void virtqueue_init(struct virtqueue *q)
{
	for (uint16_t i = 0; i < q->entries; i++) {
		q->slot[i].owner = (void *)0;
		q->slot[i].next = (uint16_t)(i + 1);
	}
	q->free_head = 0;
	q->free_count = q->entries;
	q->avail_next = 0;
	q->used_next = 0;
	q->in_flight = 0;
}

/* The device must be gone: what it writes there at its start would be lost. */
static inline void virtqueue_clear_rings(struct virtqueue *q)
{
	virtqueue_clear(q->desc, sizeof(*q->desc) * q->entries);
	/* Each ring is followed by the word of VIRTIO_RING_F_EVENT_IDX. */
	virtqueue_clear(q->avail, sizeof(*q->avail) + sizeof(uint16_t) * (q->entries + 1u));
	virtqueue_clear(q->host_used, sizeof(*q->host_used) + sizeof(uint16_t) +
			sizeof(struct vring_used_elem) * q->entries);
}

static inline void virtqueue_reset(struct virtqueue *q)
{
	virtqueue_init(q);
	virtqueue_clear_rings(q);
}

/* A free descriptor; there must be one. */
static inline uint16_t virtqueue_take(struct virtqueue *q)
{
	uint16_t i = q->free_head;

	q->free_head = q->slot[i].next;
	q->free_count--;
	return i;
}

/* The chain of @head is free again. */
static inline void virtqueue_free(struct virtqueue *q, uint16_t head)
{
	uint16_t last = head;

	for (uint16_t i = 1; i < q->slot[head].count; i++)
		last = q->slot[last].next;
	q->free_count = (uint16_t)(q->free_count + q->slot[head].count);
	q->slot[last].next = q->free_head;
	q->free_head = head;
	q->slot[head].owner = (void *)0;
}

/* Offer the chain of @head, whose slots are filled; virtqueue_publish() tells of it. */
static inline void virtqueue_put(struct virtqueue *q, uint16_t head)
{
	q->avail->ring[q->avail_next & (q->entries - 1)] = head;
	q->avail_next++;
	q->in_flight++;
}

/* Tell the device of all that was put; what it wrote before may be read after. */
static inline void virtqueue_publish(struct virtqueue *q)
{
	__atomic_store_n(&q->avail->idx, q->avail_next, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* How many entries the device has given back and we have not looked at. */
static inline uint16_t virtqueue_used(struct virtqueue *q)
{
	uint16_t host_idx = __atomic_load_n(&q->host_used->idx, __ATOMIC_ACQUIRE);
	uint16_t count = (uint16_t)(host_idx - q->used_next);

	if (count > q->in_flight) {
		*q->lie = "more entries used than were available";
		return 0;
	}
	return count;
}

/*
 * The next used entry's chain, which is ours again: its head, to be freed, and
 * the @ret_len that the device says it wrote. -1: there is no such chain.
 */
static inline int virtqueue_take_used(struct virtqueue *q, uint32_t *ret_len)
{
	struct vring_used_elem *entry = &q->host_used->ring[q->used_next & (q->entries - 1)];
	uint32_t host_id = __atomic_load_n(&entry->id, __ATOMIC_RELAXED);

	*ret_len = __atomic_load_n(&entry->len, __ATOMIC_RELAXED);
	if (host_id >= q->entries || !q->slot[host_id].owner) {
		*q->lie = "an entry used that was not available";
		return -1;
	}
	q->used_next++;
	q->in_flight--;
	return (int)host_id;
}

#endif /* RT_VIRTQUEUE_H */
