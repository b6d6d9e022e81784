// SPDX-License-Identifier: Apache-2.0
/*
 * A back end of vhost-user-blk that does nothing, as fast as it can: a disk of
 * 1 GiB that forgets what is written and never wrote what is read. It measures
 * the front end. One thread polls all queues; it serves one front end and ends
 * with it.
 *
 *   null_disk SOCKET
 */
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	QUEUES = 8,
	LOOK_EVERY = 1 << 16,	/* polls between looks at the socket */
	VERSION = 1,
	REPLY = 1 << 2,
	NEED_REPLY = 1 << 3,
	PROTOCOL_BIT = 30,
};

#define PROTOCOL	(1ULL << 0 | 1ULL << 3 | 1ULL << 9)	/* MQ, REPLY_ACK, CONFIG */
#define SECTORS		(1ULL << 21)

enum request {
	GET_FEATURES = 1, SET_FEATURES, SET_OWNER, RESET_OWNER, SET_MEM_TABLE,
	SET_VRING_NUM = 8, SET_VRING_ADDR, SET_VRING_BASE, GET_VRING_BASE,
	SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR, GET_PROTOCOL_FEATURES,
	SET_PROTOCOL_FEATURES, GET_QUEUE_NUM, SET_VRING_ENABLE, GET_CONFIG = 24,
};

struct message {
	uint32_t request, flags, size;
	union {
		uint64_t number;
		struct {
			uint32_t index, value;
		} state;
		struct {
			uint32_t index, flags;
			uint64_t desc, used, avail, log;
		} addr;
		struct {
			uint32_t count, padding;
			uint64_t guest, bytes, user, offset;
		} memory;
		struct {
			uint32_t offset, size, flags;
			uint8_t data[64];
		} config;
		uint8_t bytes[512];
	};
} __attribute__((packed));

static struct queue {
	bool enabled;
	uint16_t mask, next;
	int call;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
} queues[QUEUES];

static struct {
	char *base;
	uint64_t guest, user, bytes;
} memory;

static uint64_t served;

__attribute__((noreturn))
static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void *user(uint64_t addr)
{
	return memory.base + (addr - memory.user);
}

static uint64_t features(void)
{
	return 1ULL << VIRTIO_F_VERSION_1 | 1ULL << PROTOCOL_BIT | 1ULL << VIRTIO_BLK_F_FLUSH |
	       1ULL << VIRTIO_BLK_F_SEG_MAX | 1ULL << VIRTIO_BLK_F_MQ;
}

static void fill_config(struct message *m)
{
	struct virtio_blk_config config = { 0 };

	config.capacity = SECTORS;
	config.seg_max = 128;
	config.num_queues = QUEUES;
	memcpy(m->config.data, &config, sizeof(m->config.data) < sizeof(config) ?
	       sizeof(m->config.data) : sizeof(config));
}

static void map(const struct message *m, int fd)
{
	memory.guest = m->memory.guest;
	memory.user = m->memory.user;
	memory.bytes = m->memory.bytes;
	memory.base = mmap(NULL, memory.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			   (off_t)m->memory.offset);
	if (memory.base == MAP_FAILED)
		die("mmap");
}

static void set_addr(const struct message *m)
{
	struct queue *q = &queues[m->addr.index % QUEUES];

	q->desc = user(m->addr.desc);
	q->avail = user(m->addr.avail);
	q->used = user(m->addr.used);
	q->used->flags = VRING_USED_F_NO_NOTIFY;
}

/* Whether there is an answer, which stands in @m then. */
static bool carry_out(struct message *m, int fd)
{
	switch (m->request) {
	case GET_FEATURES:
		m->number = features();
		break;
	case GET_PROTOCOL_FEATURES:
		m->number = PROTOCOL;
		break;
	case GET_QUEUE_NUM:
		m->number = QUEUES;
		break;
	case GET_CONFIG:
		fill_config(m);
		return true;
	case SET_MEM_TABLE:
		map(m, fd);
		m->number = 0;
		m->size = sizeof(m->number);
		return m->flags & NEED_REPLY;
	case SET_VRING_CALL:
		queues[m->number % QUEUES].call = dup(fd);
		return false;
	case SET_VRING_NUM:
		queues[m->state.index % QUEUES].mask = (uint16_t)(m->state.value - 1);
		return false;
	case SET_VRING_ADDR:
		set_addr(m);
		return false;
	case SET_VRING_ENABLE:
		queues[m->state.index % QUEUES].enabled = m->state.value;
		return false;
	default:
		return false;
	}
	m->size = sizeof(m->number);
	return true;
}

/* One message, if there is one. False: the front end is gone. */
static bool look(int socket, int flags)
{
	char space[CMSG_SPACE(8 * sizeof(int))] __attribute__((aligned(8)));
	struct message m;
	struct iovec iov = { &m, 12 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = space, .msg_controllen = sizeof(space),
	};
	struct cmsghdr *cmsg;
	int fd = -1;
	ssize_t n = recvmsg(socket, &msg, flags);

	if (n < 0)
		return true;
	if (n != 12 || m.size > sizeof(m.bytes) ||
	    (m.size && recv(socket, m.bytes, m.size, MSG_WAITALL) != (ssize_t)m.size))
		return false;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg && cmsg->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	if (carry_out(&m, fd)) {
		m.flags = VERSION | REPLY;
		if (send(socket, &m, 12 + m.size, MSG_NOSIGNAL) < 0)
			return false;
	}
	if (fd >= 0)
		close(fd);
	return true;
}

/* To the end of the chain, which is the status. */
static uint32_t complete(const struct queue *q, uint16_t head)
{
	const struct vring_desc *desc = &q->desc[head];
	uint32_t written = 0;

	for (;;) {
		if (desc->flags & VRING_DESC_F_WRITE)
			written += desc->len;
		if (!(desc->flags & VRING_DESC_F_NEXT))
			break;
		desc = &q->desc[desc->next];
	}
	*(uint8_t *)(memory.base + (desc->addr - memory.guest)) = VIRTIO_BLK_S_OK;
	return written;
}

static void serve(struct queue *q)
{
	uint16_t end = __atomic_load_n(&q->avail->idx, __ATOMIC_ACQUIRE);
	uint64_t one = 1;

	if (q->next == end)
		return;
	while (q->next != end) {
		struct vring_used_elem *used = &q->used->ring[q->next & q->mask];
		uint16_t head = q->avail->ring[q->next & q->mask];

		used->id = head;
		used->len = complete(q, head);
		q->next++;
		served++;
	}
	__atomic_store_n(&q->used->idx, q->next, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!(__atomic_load_n(&q->avail->flags, __ATOMIC_RELAXED) & VRING_AVAIL_F_NO_INTERRUPT) &&
	    write(q->call, &one, sizeof(one)) < 0)
		die("call");
}

static int listen_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (fd < 0 || strlen(path) >= sizeof(addr.sun_path))
		die(path);
	strcpy(addr.sun_path, path);
	unlink(path);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 1))
		die(path);
	return fd;
}

int main(int argc, char **argv)
{
	unsigned long polls = 0;
	int socket;

	if (argc != 2) {
		fprintf(stderr, "usage: null_disk SOCKET\n");
		return 2;
	}
	socket = accept(listen_at(argv[1]), NULL, NULL);
	if (socket < 0)
		die("accept");
	for (;;) {
		bool any = false;

		for (int i = 0; i < QUEUES; i++) {
			if (!queues[i].enabled)
				continue;
			serve(&queues[i]);
			any = true;
		}
		if ((!any || !(++polls % LOOK_EVERY)) && !look(socket, any ? MSG_DONTWAIT : 0))
			break;
		__builtin_ia32_pause();
	}
	printf("%lu requests\n", (unsigned long)served);
	return 0;
}
