// SPDX-License-Identifier: GPL-2.0-only
/*
 * A request of the block layer as a chain of descriptors: header, buffers,
 * status (virtio 1.2, 5.2.6), and the copies between private memory and the DMA
 * region. Kernel context, as blk_vhost.c.
 */
#include <linux/virtio_blk.h>

#include "blk_vhost.h"

enum {
	RANGE_OFFSET = 16,	/* in a descriptor's meta: discard, write zeroes */
	STATUS_OFFSET = 48,
	STATUS_UNSET = 0xff,
	CHAIN_ENDS = 2,		/* header and status */
};

_Static_assert((int)STATUS_OFFSET < VHOST_DISK_META_BYTES &&
	       sizeof(struct virtio_blk_outhdr) <= RANGE_OFFSET, "meta");

/* As memcpy; that of libc may use SIMD registers, which here are the application's. */
static void copy(void *to, const void *from, unsigned long bytes)
{
	asm volatile("rep movsb" : "+D" (to), "+S" (from), "+c" (bytes) : : "memory");
}

static uint64_t guest_address(const struct rt_blk_vhost_queue *q, const char *at)
{
	return VHOST_DISK_GUEST_BASE + (uint64_t)(at - q->disk->base);
}

static char *meta_of(const struct rt_blk_vhost_queue *q, uint16_t slot)
{
	return q->meta + slot * VHOST_DISK_META_BYTES;
}

static char *buffer_of(const struct rt_blk_vhost_queue *q, uint16_t slot)
{
	return q->data + (uint64_t)slot * VHOST_DISK_BUFFER_BYTES;
}

static uint16_t add(struct rt_blk_vhost_queue *q, const char *at, uint32_t bytes, uint16_t flags)
{
	uint16_t i = virtqueue_take(&q->vq);
	struct vring_desc *desc = &q->vq.desc[i];

	desc->addr = guest_address(q, at);
	desc->len = bytes;
	desc->flags = flags;
	desc->next = q->vq.slot[i].next;
	return i;
}

static bool moves_data(const struct rt_blk_request *request)
{
	return request->op == RT_BLK_READ || request->op == RT_BLK_WRITE;
}

static unsigned int buffers_of(const struct rt_blk_request *request)
{
	if (request->op == RT_BLK_FLUSH)
		return 0;
	if (!moves_data(request))
		return 1;
	return (unsigned int)((request->bytes + VHOST_DISK_BUFFER_BYTES - 1) /
			      VHOST_DISK_BUFFER_BYTES);
}

unsigned int rt_blk_vhost_descriptors(const struct rt_blk_request *request)
{
	return CHAIN_ENDS + buffers_of(request);
}

/* Between the request's segments and the buffers of the chain that starts at @slot. */
void rt_blk_vhost_copy(const struct rt_blk_vhost_queue *q, const struct rt_blk_request *request,
		       uint16_t slot, bool to_device)
{
	const struct rt_blk_segment *segment = request->segments;
	uint64_t in_segment = 0, in_buffer = 0, left = request->bytes;

	while (left) {
		char *buffer = buffer_of(q, slot) + in_buffer;
		char *memory = (char *)segment->address + in_segment;
		uint64_t n = VHOST_DISK_BUFFER_BYTES - in_buffer;

		if (n > segment->bytes - in_segment)
			n = segment->bytes - in_segment;
		if (n > left)
			n = left;
		copy(to_device ? buffer : memory, to_device ? memory : buffer, n);
		left -= n;
		in_segment += n;
		in_buffer += n;
		if (in_segment == segment->bytes) {
			in_segment = 0;
			segment++;
		}
		if (in_buffer == VHOST_DISK_BUFFER_BYTES) {
			in_buffer = 0;
			slot = q->vq.slot[slot].next;
		}
	}
}

static uint32_t type_of(const struct rt_blk_request *request)
{
	switch (request->op) {
	case RT_BLK_READ:
		return VIRTIO_BLK_T_IN;
	case RT_BLK_WRITE:
		return VIRTIO_BLK_T_OUT;
	case RT_BLK_DISCARD:
		return VIRTIO_BLK_T_DISCARD;
	case RT_BLK_ZERO:
		return VIRTIO_BLK_T_WRITE_ZEROES;
	default:
		return VIRTIO_BLK_T_FLUSH;
	}
}

static void put_header(char *meta, const struct rt_blk_request *request)
{
	struct virtio_blk_outhdr *header = (struct virtio_blk_outhdr *)meta;

	header->type = type_of(request);
	header->ioprio = 0;
	header->sector = moves_data(request) ? request->offset_bytes >> 9 : 0;
	*(uint8_t *)(meta + STATUS_OFFSET) = STATUS_UNSET;
}

static void put_range(const struct rt_blk_vhost_queue *q, char *meta,
		      const struct rt_blk_request *request)
{
	struct virtio_blk_discard_write_zeroes *range =
		(struct virtio_blk_discard_write_zeroes *)(meta + RANGE_OFFSET);

	range->sector = request->offset_bytes >> 9;
	range->num_sectors = (uint32_t)(request->bytes >> 9);
	range->flags = request->op == RT_BLK_ZERO && q->disk->may_unmap &&
		       !request->keep_allocated ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0;
}

static uint16_t add_data(struct rt_blk_vhost_queue *q, const struct rt_blk_request *request)
{
	uint16_t flags = VRING_DESC_F_NEXT | (request->op == RT_BLK_READ ? VRING_DESC_F_WRITE : 0);
	uint16_t first = q->vq.free_head;
	uint64_t left = request->bytes;

	while (left) {
		uint32_t n = left < VHOST_DISK_BUFFER_BYTES ? (uint32_t)left :
							      VHOST_DISK_BUFFER_BYTES;

		add(q, buffer_of(q, q->vq.free_head), n, flags);
		left -= n;
	}
	return first;
}

void rt_blk_vhost_put(struct rt_blk_vhost_queue *q, struct rt_blk_request *request)
{
	uint16_t head = q->vq.free_head, first;
	char *meta = meta_of(q, head);

	put_header(meta, request);
	add(q, meta, sizeof(struct virtio_blk_outhdr), VRING_DESC_F_NEXT);
	if (moves_data(request)) {
		first = add_data(q, request);
		if (request->op == RT_BLK_WRITE)
			rt_blk_vhost_copy(q, request, first, true);
	} else if (request->op != RT_BLK_FLUSH) {
		put_range(q, meta, request);
		add(q, meta + RANGE_OFFSET, sizeof(struct virtio_blk_discard_write_zeroes),
		    VRING_DESC_F_NEXT);
	}
	add(q, meta + STATUS_OFFSET, 1, VRING_DESC_F_WRITE);
	q->vq.slot[head].owner = request;
	q->vq.slot[head].count = (uint16_t)rt_blk_vhost_descriptors(request);
	q->vq.slot[head].bytes = 1 + (request->op == RT_BLK_READ ? (uint32_t)request->bytes : 0);
	q->order_of[head] = q->order++;
	virtqueue_put(&q->vq, head);
}

uint8_t rt_blk_vhost_status(const struct rt_blk_vhost_queue *q, uint16_t head)
{
	const uint8_t *untrusted = (uint8_t *)meta_of(q, head) + STATUS_OFFSET;

	return __atomic_load_n(untrusted, __ATOMIC_RELAXED);
}
