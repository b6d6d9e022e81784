// SPDX-License-Identifier: Apache-2.0
/* What a vhost-user back end says its disk is: refused, or something that a disk can be. */
#include "../../../enclave/runtime/blk_vhost.h"
#include "input.h"

static bool power_of_two(unsigned int n)
{
	return n && !(n & (n - 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct rt_blk_disk_info info, first;
	struct vhost_disk_news news, agreed;
	bool may_unmap;

	take(&in, &news, sizeof(news));
	if (rt_blk_vhost_config(&news, &info, &may_unmap))
		return 0;
	CHECK(power_of_two(info.logical_block_bytes));
	CHECK(info.logical_block_bytes >= 512 && info.logical_block_bytes <= 4096);
	CHECK(power_of_two(info.physical_block_bytes));
	CHECK(info.physical_block_bytes >= info.logical_block_bytes);
	CHECK(info.size_bytes && info.size_bytes <= INT64_MAX);
	CHECK(info.size_bytes % info.logical_block_bytes == 0);
	CHECK(info.transfer_max_bytes >= VHOST_DISK_BUFFER_BYTES);
	CHECK(info.transfer_max_bytes <= 1 << 20);
	CHECK(info.discard_max_bytes % info.logical_block_bytes == 0);
	CHECK(info.zero_max_bytes % info.logical_block_bytes == 0);
	CHECK(power_of_two(info.discard_unit_bytes));
	first = info;
	agreed = news;
	take(&in, &news, sizeof(news));
	if (!rt_blk_vhost_config_again(&news, &agreed, &first))
		CHECK(news.features == agreed.features && news.queues == agreed.queues);
	return 0;
}
