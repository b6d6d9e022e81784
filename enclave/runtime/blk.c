// SPDX-License-Identifier: GPL-2.0-only
/*
 * Disks at start-up: what each file can do, and one io_uring per CPU. Ends
 * before the lock-down, so libc is at hand; blk_ring.c takes over from here.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "blk.h"
#include "blk_vhost.h"

enum {
	SECTOR_BYTES = 512,
	LOGICAL_BLOCK_BYTES_MAX = 4096,
	HOST_BLOCK_BYTES = 4096,	/* unit of holes in the host's file */
	TRANSFER_MAX_BYTES = 4 << 20,
	RANGE_MAX_BYTES = 1 << 30,
};

static int fail(char *error, size_t error_size, int err, unsigned int disk,
		const char *what)
{
	snprintf(error, error_size, "disk vd%c: %s: %s", 'a' + disk, what,
		 strerror(-err));
	return err;
}

/* ---- What a disk can do ---- */

/* Does the file answer an O_DIRECT read of @bytes aligned to @bytes? */
static bool direct_read_works(int fd, unsigned int bytes)
{
	static _Alignas(8192) char pages[16384];

	/* Aligned to @bytes and to no more, so that 512 is really tried. */
	return pread(fd, pages + bytes, bytes, bytes) >= 0;
}

/* Linux 6.1 says what direct I/O asks for. */
static bool read_direct_alignment(int fd, struct rt_blk_disk_info *info)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) ||
	    !(st.stx_mask & STATX_DIOALIGN) || !st.stx_dio_offset_align)
		return false;
	info->logical_block_bytes = st.stx_dio_offset_align;
	info->memory_align_bytes = st.stx_dio_mem_align;
	return true;
}

static void probe_direct_alignment(int fd, struct rt_blk_disk_info *info)
{
	if (!read_direct_alignment(fd, info) &&
	    !direct_read_works(fd, SECTOR_BYTES))
		info->logical_block_bytes = LOGICAL_BLOCK_BYTES_MAX;
	/* Smaller ones would let the block layer build odd-sized segments. */
	if (info->logical_block_bytes < SECTOR_BYTES)
		info->logical_block_bytes = SECTOR_BYTES;
	if (info->memory_align_bytes < info->logical_block_bytes)
		info->memory_align_bytes = info->logical_block_bytes;
}

/* A hole beyond the end changes nothing, yet asks the file system. */
static bool holes_work(int fd, uint64_t size_bytes)
{
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return false;
	return !fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			  (size_bytes + 4095) & ~4095ul, 4096);
}

static int probe_disk(const struct rt_launch_disk *disk, struct rt_blk_disk *ret)
{
	struct rt_blk_disk_info *info = &ret->info;

	ret->fd = disk->fd;
	info->readonly = disk->readonly;
	info->write_cache = true;
	info->fua = true;
	info->transfer_max_bytes = TRANSFER_MAX_BYTES;
	info->physical_block_bytes = HOST_BLOCK_BYTES;
	info->logical_block_bytes = SECTOR_BYTES;
	info->memory_align_bytes = SECTOR_BYTES;
	if (disk->direct)
		probe_direct_alignment(disk->fd, info);
	if (info->logical_block_bytes > LOGICAL_BLOCK_BYTES_MAX ||
	    info->logical_block_bytes & (info->logical_block_bytes - 1))
		return -EINVAL;
	info->size_bytes = disk->size_bytes -
			   disk->size_bytes % info->logical_block_bytes;
	if (!disk->readonly && holes_work(disk->fd, disk->size_bytes)) {
		info->discard_max_bytes = RANGE_MAX_BYTES;
		info->zero_max_bytes = RANGE_MAX_BYTES;
		info->discard_unit_bytes = HOST_BLOCK_BYTES;
	}
	return 0;
}

/* ---- Rings ---- */

static const uint8_t operations[] = {
	IORING_OP_READ, IORING_OP_WRITE, IORING_OP_READV,
	IORING_OP_WRITEV, IORING_OP_FSYNC, IORING_OP_FALLOCATE,
};

enum { OPERATIONS = sizeof(operations) };

static bool operations_work(int fd)
{
	struct {
		struct io_uring_probe probe;
		struct io_uring_probe_op ops[IORING_OP_LAST];
	} answer = { 0 };

	if (syscall(SYS_io_uring_register, fd, IORING_REGISTER_PROBE, &answer,
		    IORING_OP_LAST) < 0)
		return false;
	for (size_t i = 0; i < OPERATIONS; i++)
		if (!(answer.ops[operations[i]].flags & IO_URING_OP_SUPPORTED))
			return false;
	return true;
}

/*
 * A ring can open files and sockets, and seccomp doesn't see what is written
 * into it. So it is made disabled, bound to the operations of a disk for good,
 * and enabled.
 */
static int restrict_ring(int fd)
{
	struct io_uring_restriction rules[OPERATIONS + 1] = { 0 };

	for (size_t i = 0; i < OPERATIONS; i++) {
		rules[i].opcode = IORING_RESTRICTION_SQE_OP;
		rules[i].sqe_op = operations[i];
	}
	rules[OPERATIONS].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
	rules[OPERATIONS].sqe_flags = IOSQE_ASYNC;
	if (syscall(SYS_io_uring_register, fd, IORING_REGISTER_RESTRICTIONS,
		    rules, OPERATIONS + 1) ||
	    syscall(SYS_io_uring_register, fd, IORING_REGISTER_ENABLE_RINGS,
		    NULL, 0))
		return -errno;
	return 0;
}

/*
 * The files are not registered with the ring: that saves nothing measurable,
 * and the host gives registered files back, and with them the lock on the
 * image, only some time after the process has ended.
 *
 * Completions of direct I/O arrive as work of the submitting thread. By
 * default the host interrupts that thread for each; with COOP_TASKRUN it
 * raises a flag in the ring instead, which the poller sees.
 */
static int setup_io_uring(struct io_uring_params *ret)
{
	static const uint32_t attempts[] = {
		IORING_SETUP_R_DISABLED | IORING_SETUP_CLAMP |
			IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
		/* Linux before 5.19 */
		IORING_SETUP_R_DISABLED | IORING_SETUP_CLAMP,
	};
	int fd = -1;

	for (size_t i = 0; fd < 0 && i < 2; i++) {
		memset(ret, 0, sizeof(*ret));
		ret->flags = attempts[i];
		fd = syscall(SYS_io_uring_setup, RT_BLK_SLOTS, ret);
	}
	return fd < 0 ? -errno : fd;
}

static size_t rings_size_bytes(const struct io_uring_params *params)
{
	size_t sq = params->sq_off.array +
		    (size_t)params->sq_entries * sizeof(uint32_t);
	size_t cq = params->cq_off.cqes + (size_t)params->cq_entries *
					   sizeof(struct io_uring_cqe);

	return sq > cq ? sq : cq;
}

static void *map_ring(int fd, size_t bytes, off_t what)
{
	return mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_POPULATE, fd, what);
}

static int start_ring(struct rt_blk_ring *ring)
{
	struct io_uring_params params;
	size_t rings_bytes, sqes_bytes;
	void *rings, *sqes;
	int fd, err;

	fd = setup_io_uring(&params);
	if (fd < 0)
		return fd;
	err = -EOPNOTSUPP;
	if (!(params.features & IORING_FEAT_SINGLE_MMAP) ||
	    !(params.features & IORING_FEAT_NODROP) || !operations_work(fd) ||
	    restrict_ring(fd))
		goto out_close;
	rings_bytes = rings_size_bytes(&params);
	sqes_bytes = (size_t)params.sq_entries * sizeof(struct io_uring_sqe);
	err = -ENOMEM;
	rings = map_ring(fd, rings_bytes, IORING_OFF_SQ_RING);
	if (rings == MAP_FAILED)
		goto out_close;
	sqes = map_ring(fd, sqes_bytes, IORING_OFF_SQES);
	if (sqes == MAP_FAILED)
		goto out_unmap;
	err = rt_blk_ring_init(ring, fd, rings, rings_bytes, sqes, sqes_bytes,
			       &params);
	if (err)
		goto out_unmap_sqes;
	return 0;

out_unmap_sqes:
	munmap(sqes, sqes_bytes);
out_unmap:
	munmap(rings, rings_bytes);
out_close:
	close(fd);
	return err;
}

static void do_without_io_uring(unsigned int started)
{
	while (started--)
		close(rt_blk.rings[started].fd);
	for (unsigned int i = 0; i < rt_blk.ring_count; i++)
		rt_blk_ring_init_synchronous(&rt_blk.rings[i]);
	for (unsigned int i = 0; i < rt_blk.disk_count; i++) {
		if (rt_blk.disks[i].vhost)
			continue;
		rt_blk.disks[i].info.discard_max_bytes = 0;
		rt_blk.disks[i].info.zero_max_bytes = 0;
	}
}

const struct rt_blk_carrier *rt_blk_carrier;

/* One CPU without a ring, and all of them do without: one behaviour. */
static void start_rings(void)
{
	for (unsigned int i = 0; i < rt_blk.ring_count; i++) {
		if (rt_blk_carrier ? rt_blk_carrier->start_ring(&rt_blk.rings[i]) :
				     start_ring(&rt_blk.rings[i])) {
			do_without_io_uring(i);
			return;
		}
	}
	if (rt_blk_carrier)
		rt_blk_carrier->start();
}

bool rt_blk_uses_io_uring(void)
{
	return rt_blk.ring_count && rt_blk.rings[0].fd >= 0;
}

int rt_blk_start(const struct rt_launch_disk *disks, unsigned int disk_count,
		 unsigned int cpus, char *error, size_t error_size)
{
	int err;

	if (!disk_count)
		return 0;
	if (disk_count > LAUNCH_DISKS_MAX)
		return fail(error, error_size, -E2BIG, LAUNCH_DISKS_MAX,
			    "too many disks");
	rt_blk.failure = NULL;
	for (unsigned int i = 0; i < disk_count; i++) {
		if (disks[i].vhost) {
			err = rt_blk_vhost_start(&disks[i], i, error, error_size);
			if (err)
				return err;
			continue;
		}
		rt_blk.file_count++;
		err = probe_disk(&disks[i], &rt_blk.disks[i]);
		if (err)
			return fail(error, error_size, err, i,
				    "its block size is not supported");
	}
	rt_blk.rings = calloc(cpus, sizeof(*rt_blk.rings));
	if (!rt_blk.rings)
		return fail(error, error_size, -ENOMEM, 0, "rings");
	rt_blk.disk_count = disk_count;
	rt_blk.ring_count = cpus;
	start_rings();
	return 0;
}
