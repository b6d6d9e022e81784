// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a vhost-user back end's features and config space say its disk is. They
 * come from the host: each field is checked or bounded, what is not a feature
 * is not read, and a disk that makes no sense is refused.
 */
#include <linux/virtio_blk.h>
#include <stddef.h>

#include "blk_vhost.h"

enum {
	SECTOR_BYTES = 512,
	BLOCK_BYTES_MAX = 4096,
	TRANSFER_MAX_BYTES = 1 << 20,
	RANGE_MAX_BYTES = 1 << 30,
	BEST_MAX_BYTES = 1 << 20,
};

/* 4 EiB: offsets in bytes stay positive, whoever calculates with them. */
static const uint64_t sectors_max = 1ULL << 53;

_Static_assert(VHOST_DISK_CONFIG_BYTES == offsetof(struct virtio_blk_config, unused1) + 3,
	       "the config space up to write_zeroes_may_unmap, padded");

static bool has(const struct vhost_disk_news *news, int feature)
{
	return news->features >> feature & 1;
}

static uint64_t field(const struct vhost_disk_news *news, size_t offset, size_t bytes)
{
	uint64_t value = 0;

	while (bytes--)
		value = value << 8 | news->config[offset + bytes];
	return value;
}

#define FIELD(news, name) field(news, offsetof(struct virtio_blk_config, name), \
				sizeof(((struct virtio_blk_config *)0)->name))

static bool power_of_two(uint64_t n)
{
	return n && !(n & (n - 1));
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Data descriptors are buffers of one size, so both limits bound their number. */
static const char *read_transfer(const struct vhost_disk_news *news, struct rt_blk_disk_info *ret)
{
	uint64_t segments = TRANSFER_MAX_BYTES / VHOST_DISK_BUFFER_BYTES;
	uint64_t size_max = FIELD(news, size_max);

	/* qemu-storage-daemon offers the feature and says 0: no limit. */
	if (has(news, VIRTIO_BLK_F_SIZE_MAX) && size_max && size_max < VHOST_DISK_BUFFER_BYTES)
		return "its back end takes no segments of 64 KiB (size_max)";
	if (has(news, VIRTIO_BLK_F_SEG_MAX)) {
		if (!FIELD(news, seg_max))
			return "its back end takes no segments at all (seg_max)";
		segments = smaller(segments, FIELD(news, seg_max));
	}
	ret->transfer_max_bytes = (uint32_t)(segments * VHOST_DISK_BUFFER_BYTES);
	return NULL;
}

static const char *read_blocks(const struct vhost_disk_news *news, struct rt_blk_disk_info *ret)
{
	uint64_t bytes = SECTOR_BYTES, physical, best;

	if (has(news, VIRTIO_BLK_F_BLK_SIZE))
		bytes = FIELD(news, blk_size);
	if (!power_of_two(bytes) || bytes < SECTOR_BYTES || bytes > BLOCK_BYTES_MAX)
		return "its back end has blocks of a size that there is not (blk_size)";
	ret->logical_block_bytes = (uint32_t)bytes;
	ret->physical_block_bytes = (uint32_t)bytes;
	ret->memory_align_bytes = SECTOR_BYTES;
	ret->best_bytes = 0;
	if (!has(news, VIRTIO_BLK_F_TOPOLOGY))
		return NULL;
	/* Hints: what makes no sense is not taken. */
	physical = bytes << smaller(FIELD(news, physical_block_exp), 8);
	best = bytes * smaller(FIELD(news, opt_io_size), BEST_MAX_BYTES);
	if (physical <= VHOST_DISK_BUFFER_BYTES)
		ret->physical_block_bytes = (uint32_t)physical;
	if (best <= BEST_MAX_BYTES && best % ret->physical_block_bytes == 0)
		ret->best_bytes = (uint32_t)best;
	return NULL;
}

static uint32_t range_max(uint64_t sectors, uint32_t block_bytes)
{
	return (uint32_t)(smaller(sectors, RANGE_MAX_BYTES / SECTOR_BYTES) * SECTOR_BYTES) &
	       ~(block_bytes - 1);
}

static void read_ranges(const struct vhost_disk_news *news, struct rt_blk_disk_info *ret)
{
	uint64_t unit = FIELD(news, discard_sector_alignment) * SECTOR_BYTES;

	ret->discard_max_bytes = 0;
	ret->zero_max_bytes = 0;
	ret->discard_unit_bytes = ret->logical_block_bytes;
	if (ret->readonly)
		return;
	if (has(news, VIRTIO_BLK_F_DISCARD) && FIELD(news, max_discard_seg))
		ret->discard_max_bytes = range_max(FIELD(news, max_discard_sectors),
						   ret->logical_block_bytes);
	if (power_of_two(unit) && unit >= ret->logical_block_bytes && unit <= BEST_MAX_BYTES)
		ret->discard_unit_bytes = (uint32_t)unit;
	if (has(news, VIRTIO_BLK_F_WRITE_ZEROES) && FIELD(news, max_write_zeroes_seg))
		ret->zero_max_bytes = range_max(FIELD(news, max_write_zeroes_sectors),
						ret->logical_block_bytes);
}

const char *rt_blk_vhost_config(const struct vhost_disk_news *news,
				struct rt_blk_disk_info *ret, bool *ret_may_unmap)
{
	uint64_t sectors = FIELD(news, capacity);
	const char *wrong = read_blocks(news, ret);

	if (!wrong)
		wrong = read_transfer(news, ret);
	if (wrong)
		return wrong;
	if (news->features & ~(uint64_t)VHOST_DISK_FEATURES)
		return "its back end has features that nobody asked for";
	if (!has(news, 32))
		return "its back end is older than virtio 1";
	if (!sectors || sectors > sectors_max ||
	    sectors * SECTOR_BYTES < ret->logical_block_bytes)
		return "its back end says that it is empty, or larger than disks can be";
	ret->size_bytes = sectors * SECTOR_BYTES / ret->logical_block_bytes *
			  ret->logical_block_bytes;
	ret->readonly = has(news, VIRTIO_BLK_F_RO);
	ret->write_cache = has(news, VIRTIO_BLK_F_FLUSH);
	ret->fua = false;
	read_ranges(news, ret);
	*ret_may_unmap = FIELD(news, write_zeroes_may_unmap);
	return NULL;
}

const char *rt_blk_vhost_config_again(const struct vhost_disk_news *news,
				      const struct vhost_disk_news *agreed,
				      const struct rt_blk_disk_info *info)
{
	struct rt_blk_disk_info again;
	bool unused;
	const char *wrong = rt_blk_vhost_config(news, &again, &unused);

	if (wrong)
		return wrong;
	if (news->queues != agreed->queues || news->features != agreed->features)
		return "its back end came back with other features";
	if (again.size_bytes < info->size_bytes)
		return "its back end came back with a smaller disk";
	if (again.logical_block_bytes != info->logical_block_bytes ||
	    again.transfer_max_bytes < info->transfer_max_bytes ||
	    again.discard_max_bytes < info->discard_max_bytes ||
	    again.zero_max_bytes < info->zero_max_bytes)
		return "its back end came back with another block size, or smaller limits";
	return NULL;
}
