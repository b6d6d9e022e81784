// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the attendant of a vhost-user disk says: its back end went, or is back.
 * Kernel context, as blk_vhost.c; several CPUs may come here, one looks.
 */
#include <errno.h>

#include "blk_vhost.h"
#include "hostcall.h"
#include "../libos/overlay/arch/libos/include/asm/runtime.h"

/* In TSC cycles, a tenth of a second or so: nothing depends on how long exactly. */
#define LOOK_CYCLES	(1ULL << 28)
/* While requests complete the back end is there; look all the same now and then. */
#define QUIET_CYCLES	(50 * LOOK_CYCLES)

static uint64_t tsc(void)
{
	return __builtin_ia32_rdtsc();
}

void rt_blk_vhost_tell(const struct rt_blk_vhost_disk *disk, uint8_t what)
{
	hostcall_write(disk->control, &what, sizeof(what));
}

static void set_news(struct rt_blk_vhost_disk *disk, const char *news)
{
	__atomic_store_n(&disk->news, news, __ATOMIC_RELEASE);
}

void rt_blk_vhost_end(struct rt_blk_vhost_disk *disk, const char *why)
{
	const char *unset = NULL;

	if (!__atomic_compare_exchange_n(&disk->failure, &unset, why, false,
					 __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		return;
	set_news(disk, why);
	rt_blk_vhost_tell(disk, VHOST_DISK_LIAR);
	rt_wait_del(disk->control);	/* at its end, and so always readable */
}

bool rt_blk_vhost_look_is_due(const struct rt_blk_vhost_disk *disk)
{
	return tsc() >= __atomic_load_n(&disk->look_tsc, __ATOMIC_RELAXED);
}

static void set_generation(struct rt_blk_vhost_disk *disk, unsigned int generation)
{
	__atomic_store_n(&disk->generation, generation, __ATOMIC_RELEASE);
}

static void went(struct rt_blk_vhost_disk *disk)
{
	if (!(disk->generation & 1)) {
		rt_blk_vhost_end(disk, "the attendant says twice that the back end went");
		return;
	}
	__atomic_store_n(&disk->to_follow, disk->queue_count, __ATOMIC_RELEASE);
	set_news(disk, "its back end is gone; requests wait until one listens there again");
	set_generation(disk, disk->generation + 1);
}

static void came(struct rt_blk_vhost_disk *disk, const struct vhost_disk_news *host_news)
{
	const char *wrong;

	if (disk->generation & 1 || __atomic_load_n(&disk->to_follow, __ATOMIC_ACQUIRE)) {
		rt_blk_vhost_end(disk, "the attendant brings a back end that nobody waits for");
		return;
	}
	wrong = rt_blk_vhost_config_again(host_news, &disk->agreed,
					  &rt_blk.disks[disk->index].info);
	if (wrong) {
		rt_blk_vhost_end(disk, wrong);
		return;
	}
	set_news(disk, "its back end is back; what it had not answered is sent again");
	set_generation(disk, disk->generation + 1);
}

static void look(struct rt_blk_vhost_disk *disk)
{
	struct vhost_disk_news host_news;
	long n = hostcall_read(disk->control, &host_news, sizeof(host_news));

	rt_blk.vhost_queues[disk->first_queue].out.stats.looks++;
	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n <= 0)
		rt_blk_vhost_end(disk, "its attendant on the host is gone");
	else if (n != sizeof(host_news))
		rt_blk_vhost_end(disk, "its attendant sent news of a wrong length");
	else if (host_news.kind == VHOST_DISK_DOWN)
		went(disk);
	else if (host_news.kind == VHOST_DISK_UP)
		came(disk, &host_news);
	else
		rt_blk_vhost_end(disk, "its attendant sent news of an unknown kind");
}

void rt_blk_vhost_look(struct rt_blk_vhost_disk *disk)
{
	uint64_t now = tsc();

	if (now < __atomic_load_n(&disk->look_tsc, __ATOMIC_RELAXED) ||
	    __atomic_load_n(&disk->failure, __ATOMIC_ACQUIRE) ||
	    __atomic_exchange_n(&disk->looking, true, __ATOMIC_ACQUIRE))
		return;
	__atomic_store_n(&disk->look_tsc, now + LOOK_CYCLES, __ATOMIC_RELAXED);
	if (disk->progress == disk->seen_progress || now >= disk->quiet_tsc) {
		disk->quiet_tsc = now + QUIET_CYCLES;
		look(disk);
	}
	disk->seen_progress = disk->progress;
	__atomic_store_n(&disk->looking, false, __ATOMIC_RELEASE);
}
