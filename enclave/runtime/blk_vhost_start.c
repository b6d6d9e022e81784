// SPDX-License-Identifier: GPL-2.0-only
/*
 * Disks behind vhost-user at start-up: take memory and eventfds from the
 * attendant, look at what the back end says, lay out the queues.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "blk_vhost.h"
#include "dma.h"

/* Above the network's region and its peers'; each disk has address space of its own. */
#define REGION_BASE	(RT_DMA_PEER_BASE + 8 * 0x1000000000UL)
#define REGION_SPAN	0x1000000000UL

enum {
	FDS_MAX = 1 + 2 * VHOST_DISK_QUEUES_MAX,
	MIB = 1 << 20,
};

_Static_assert((unsigned long)VHOST_DISK_QUEUE_BYTES * VHOST_DISK_QUEUES_MAX <= REGION_SPAN,
	       "a region fits its place");

struct opening {
	struct vhost_disk_news news;
	int fds[FDS_MAX];
	unsigned int fd_count;
};

/* The first news, and what comes with it. */
static const char *start_receive(int control, struct opening *ret)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int) * FDS_MAX)];
	} space;
	struct iovec iov = { &ret->news, sizeof(ret->news) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = space.bytes, .msg_controllen = sizeof(space),
	};
	struct cmsghdr *cmsg;

	if (recvmsg(control, &msg, MSG_CMSG_CLOEXEC) != sizeof(ret->news) ||
	    ret->news.kind != VHOST_DISK_UP || !ret->news.queues ||
	    ret->news.queues > VHOST_DISK_QUEUES_MAX)
		return "its attendant did not say what its back end is";
	cmsg = CMSG_FIRSTHDR(&msg);
	if (!cmsg || cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS ||
	    cmsg->cmsg_len != CMSG_LEN(sizeof(int) * (1 + 2 * ret->news.queues)))
		return "its attendant did not send its memory and eventfds";
	ret->fd_count = 1 + 2 * ret->news.queues;
	memcpy(ret->fds, CMSG_DATA(cmsg), sizeof(int) * ret->fd_count);
	return NULL;
}

/* Nobody may cut the memory off under us, nor may it be anything but memory. */
static const char *start_memory(struct rt_blk_vhost_disk *disk, const struct opening *opening)
{
	size_t bytes = (size_t)opening->news.queues * VHOST_DISK_QUEUE_BYTES;
	int seals = fcntl(opening->fds[0], F_GET_SEALS);
	struct stat st;
	void *base;

	if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(opening->fds[0], &st) ||
	    (size_t)st.st_size < bytes)
		return "its DMA region is not a sealed memfd of the right size";
	base = mmap((void *)(REGION_BASE + disk->index * REGION_SPAN), bytes,
		    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, opening->fds[0], 0);
	if (base == MAP_FAILED)
		return "its DMA region cannot be mapped";
	disk->base = base;
	return NULL;
}

static const char *start_queues(struct rt_blk_vhost_disk *disk, const struct opening *opening)
{
	unsigned int count = rt_blk.vhost_count + disk->queue_count;
	struct rt_blk_vhost_queue *queues = calloc(count, sizeof(*queues));

	if (!queues)
		return "there is no memory for its queues";
	/* No request yet: earlier disks' queues are laid out anew, in their new place. */
	for (unsigned int i = 0; i < rt_blk.vhost_count; i++) {
		const struct rt_blk_vhost_queue *old = &rt_blk.vhost_queues[i];

		queues[i].kick = old->kick;
		queues[i].call = old->call;
		rt_blk_vhost_init_queue(&queues[i], old->disk, old->index);
	}
	for (unsigned int i = 0; i < disk->queue_count; i++) {
		struct rt_blk_vhost_queue *q = &queues[rt_blk.vhost_count + i];

		q->kick = opening->fds[1 + 2 * i];
		q->call = opening->fds[2 + 2 * i];
		rt_blk_vhost_init_queue(q, disk, i);
	}
	free(rt_blk.vhost_queues);
	rt_blk.vhost_queues = queues;
	rt_blk.vhost_count = count;
	return NULL;
}

static const char *start_disk(struct rt_blk_vhost_disk *disk, const struct rt_launch_disk *launch)
{
	struct rt_blk_disk_info *info = &rt_blk.disks[disk->index].info;
	struct opening opening;
	const char *wrong = start_receive(disk->control, &opening);

	if (!wrong)
		wrong = rt_blk_vhost_config(&opening.news, info, &disk->may_unmap);
	if (!wrong)
		wrong = start_memory(disk, &opening);
	if (wrong)
		return wrong;
	if (info->readonly && !launch->readonly)
		return "its back end is read-only; add ,ro";
	info->readonly = launch->readonly;
	if (info->readonly) {
		info->discard_max_bytes = 0;
		info->zero_max_bytes = 0;
	}
	disk->agreed = opening.news;
	disk->queue_count = opening.news.queues;
	disk->first_queue = rt_blk.vhost_count;
	disk->generation = 1;
	return start_queues(disk, &opening);
}

int rt_blk_vhost_start(const struct rt_launch_disk *launch, unsigned int index,
		       char *error, size_t error_size)
{
	struct rt_blk_vhost_disk *disk = calloc(1, sizeof(*disk));
	const char *wrong = "there is no memory for it";

	if (disk) {
		disk->index = index;
		disk->control = launch->fd;
		wrong = start_disk(disk, launch);
	}
	if (wrong) {
		snprintf(error, error_size, "disk vd%c: %s", 'a' + index, wrong);
		return -EINVAL;
	}
	rt_blk.disks[index].fd = -1;
	rt_blk.disks[index].vhost = disk;
	return 0;
}
