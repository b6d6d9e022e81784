// SPDX-License-Identifier: GPL-2.0-only
/*
 * Disks on a host without io_uring: each request is one or more system calls
 * that block this CPU. Slow and correct; runs in kernel context like
 * blk_ring.c. Discard is not offered here.
 */
#include <errno.h>
#include <sys/uio.h>

#include "blk.h"
#include "hostcall.h"

_Static_assert(sizeof(struct rt_blk_segment) == sizeof(struct iovec) &&
	       offsetof(struct rt_blk_segment, address) ==
		       offsetof(struct iovec, iov_base) &&
	       offsetof(struct rt_blk_segment, bytes) ==
		       offsetof(struct iovec, iov_len),
	       "a segment is an iovec");

static long transfer_once(int fd, const struct rt_blk_request *request)
{
	const struct iovec *iov = (const struct iovec *)request->segments;

	if (request->op == RT_BLK_WRITE)
		return hostcall_pwritev(fd, iov, request->segment_count,
					request->offset_bytes);
	return hostcall_preadv(fd, iov, request->segment_count,
			       request->offset_bytes);
}

static int transfer(struct rt_blk_ring *ring, int fd,
		    struct rt_blk_request *request)
{
	while (request->bytes) {
		long moved = transfer_once(fd, request);

		ring->out.stats.enters++;
		if ((moved == -EINTR || moved == -EAGAIN) &&
		    request->retries++ < RT_BLK_RETRIES)
			continue;
		if (moved < 0)
			return moved < -4095 ? -EIO : moved;
		if (!moved || (uint64_t)moved > request->bytes)
			return -EIO;
		if ((uint64_t)moved == request->bytes)
			return 0;
		ring->out.stats.resubmitted++;
		rt_blk_request_advance(request, moved);
	}
	return 0;
}

int rt_blk_sync_run(struct rt_blk_ring *ring, struct rt_blk_request *request)
{
	int fd = rt_blk.disks[request->disk].fd;
	long synced;
	int err;

	if (request->op == RT_BLK_DISCARD || request->op == RT_BLK_ZERO)
		return -EOPNOTSUPP;
	if (request->op != RT_BLK_FLUSH) {
		err = transfer(ring, fd, request);
		if (err || !request->fua)
			return err;
	}
	synced = hostcall_fdatasync(fd);
	ring->out.stats.enters++;
	return synced < 0 && synced >= -4095 ? synced : synced ? -EIO : 0;
}
