// SPDX-License-Identifier: Apache-2.0
/*
 * The rings of a vhost-user disk, with a back end and an attendant that do what
 * the fuzzer says. However they lie: no wild access, and every request that was
 * taken ends exactly once.
 */
#include <errno.h>

#include "../../../enclave/runtime/blk_vhost.h"
#include "../../../enclave/runtime/hostcall.h"
#include "input.h"

enum { QUEUES = 2, REQUESTS = 64, AREA = 3 * VHOST_DISK_BUFFER_BYTES, STEPS = 400 };

static struct rt_blk_vhost_disk disk;
static struct rt_blk_vhost_queue queues[QUEUES];
static struct rt_blk_request requests[REQUESTS];
static struct rt_blk_segment segments[REQUESTS][2];
static bool busy[REQUESTS];
static char area[AREA];
static char *region;
static struct input in;
static unsigned int said;		/* to the attendant */

long hostcall_write(int fd, const void *buf, unsigned long bytes)
{
	CHECK(fd >= 50 && fd < 50 + 3 && bytes);
	if (fd == 50)
		said = *(const uint8_t *)buf;
	return (long)bytes;
}

/* Of files; there are none. */
long hostcall_io_uring_enter(int fd, unsigned int to_submit, unsigned int min, unsigned int flags)
{
	abort();
}

long hostcall_preadv(int fd, const struct iovec *iov, int count, long offset)
{
	abort();
}

long hostcall_pwritev(int fd, const struct iovec *iov, int count, long offset)
{
	abort();
}

long hostcall_fdatasync(int fd)
{
	abort();
}

static void be_sane(struct vhost_disk_news *news)
{
	*news = disk.agreed;
	news->kind = VHOST_DISK_UP;
}

long hostcall_read(int fd, void *buf, unsigned long bytes)
{
	struct vhost_disk_news *news = buf;

	if (fd != 50)
		return (long)bytes;
	CHECK(bytes == sizeof(*news));
	switch (take8(&in) % 8) {
	case 0:
		memset(news, 0, sizeof(*news));
		news->kind = VHOST_DISK_DOWN;
		return sizeof(*news);
	case 1:
	case 2:
		be_sane(news);
		return sizeof(*news);
	case 3:
		take(&in, news, sizeof(*news));
		return take8(&in) % 4 ? (long)sizeof(*news) : take8(&in) % (long)sizeof(*news);
	default:
		return -EAGAIN;
	}
}

void rt_wait_del(int fd)
{
	CHECK(fd == 50);
}

static void start(void)
{
	if (!region)
		region = malloc((size_t)QUEUES * VHOST_DISK_QUEUE_BYTES);
	memset(&disk, 0, sizeof(disk));
	memset(queues, 0, sizeof(queues));
	memset(busy, 0, sizeof(busy));
	disk.control = 50;
	disk.base = region;
	disk.queue_count = QUEUES;
	disk.generation = 1;
	disk.may_unmap = true;
	disk.agreed.features = take8(&in) & 1 ? VHOST_DISK_FEATURES :
			       VHOST_DISK_FEATURES & ~(1ULL << VIRTIO_RING_F_EVENT_IDX);
	disk.agreed.queues = QUEUES;
	disk.agreed.config[1] = 8;	/* capacity: 1 MiB */
	disk.agreed.config[21] = 2;	/* blk_size: 512 */
	disk.agreed.config[12] = 16;	/* seg_max */
	rt_blk.vhost_queues = queues;
	rt_blk.vhost_count = QUEUES;
	rt_blk.disks[0].vhost = &disk;
	CHECK(!rt_blk_vhost_config(&disk.agreed, &rt_blk.disks[0].info, &disk.may_unmap));
	for (unsigned int i = 0; i < QUEUES; i++) {
		queues[i].kick = 51 + (int)i;
		queues[i].call = 60;
		rt_blk_vhost_init_queue(&queues[i], &disk, i);
		virtqueue_clear_rings(&queues[i].vq);
	}
}

static void submit(struct rt_blk_vhost_queue *q)
{
	unsigned int i = take8(&in) % REQUESTS;
	struct rt_blk_request *request = &requests[i];
	uint64_t bytes = (1 + take16(&in) % (AREA / 512)) * 512u, cut = bytes / 2;

	if (busy[i])
		return;
	*request = (struct rt_blk_request){
		.op = take8(&in) % RT_BLK_OPS,
		.segments = segments[i],
		.segment_count = 2,
		.bytes = bytes,
	};
	segments[i][0] = (struct rt_blk_segment){ area, cut };
	segments[i][1] = (struct rt_blk_segment){ area + cut, bytes - cut };
	if (!rt_blk_vhost_queue(q, request))
		busy[i] = true;
}

/* The back end: the next entry, honestly but for what the fuzzer wants. */
static void use(struct rt_blk_vhost_queue *q)
{
	struct vring_used *used = q->vq.host_used;
	struct vring_used_elem *entry = &used->ring[used->idx % VHOST_DISK_ENTRIES];
	uint8_t how = take8(&in);
	uint16_t head = q->vq.avail->ring[used->idx % VHOST_DISK_ENTRIES];

	entry->id = how & 1 ? take16(&in) : head;
	entry->len = how & 2 ? take32(&in) :
		     head < VHOST_DISK_ENTRIES ? q->slot[head].bytes : 0;
	if (head < VHOST_DISK_ENTRIES)
		region[q->meta - region + head * VHOST_DISK_META_BYTES + 48] =
			how & 4 ? (char)take8(&in) : 0;
	used->idx = how & 8 ? take16(&in) : used->idx + 1;
}

static void scribble(struct rt_blk_vhost_queue *q)
{
	size_t room = VHOST_DISK_META + 64 * VHOST_DISK_ENTRIES - 8;
	size_t at = take16(&in) % room;

	take(&in, (char *)q->vq.desc + at, 8);
}

static unsigned int reap(struct rt_blk_vhost_queue *q)
{
	struct rt_blk_request *done = rt_blk_vhost_reap(q);
	unsigned int count = 0;

	for (; done; done = done->next, count++) {
		CHECK(done >= requests && done < requests + REQUESTS);
		CHECK(busy[done - requests]);
		CHECK(done->result <= 0 && done->result >= -4095);
		busy[done - requests] = false;
	}
	return count;
}

static void step(void)
{
	uint8_t what = take8(&in);
	struct rt_blk_vhost_queue *q = &queues[what >> 7];

	switch (what % 7) {
	case 0:
	case 1:
		submit(q);
		break;
	case 2:
		rt_blk_vhost_commit(q);
		break;
	case 3:
		use(q);
		break;
	case 4:
		scribble(q);
		break;
	case 5:
		disk.look_tsc = 0;
		rt_blk_vhost_arm(q);
		break;
	default:
		reap(q);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	in = (struct input){ data, size };
	start();
	for (int i = 0; i < STEPS && in.left; i++)
		step();
	/* The end: nothing may be left over. */
	rt_blk_vhost_end(&disk, "over");
	CHECK(said == VHOST_DISK_LIAR);
	for (unsigned int i = 0; i < QUEUES; i++)
		while (rt_blk_vhost_pending(&queues[i]))
			reap(&queues[i]);
	for (unsigned int i = 0; i < REQUESTS; i++)
		CHECK(!busy[i]);
	return 0;
}
