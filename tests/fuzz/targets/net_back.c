// SPDX-License-Identifier: Apache-2.0
/*
 * The back side of `--net vhost`: a front end that sends any message of
 * vhost-user, and fills the rings in its own memory with anything.
 */
#include <errno.h>
#include <linux/virtio_config.h>

#include "../../../enclave/runtime/dma.h"
#include "../../../enclave/runtime/virtio_back.h"
#include "net_host.h"

enum { STEPS = 200, BURST = 32, REGION = 1 << 17, ENTRIES = 16, GUEST = 0x10000 };

/* As a port without any offload switched off. */
#define FEATURES (1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_NET_F_MRG_RXBUF | \
		  1ULL << VIRTIO_NET_F_CSUM | 1ULL << VIRTIO_NET_F_GUEST_CSUM)

static struct back back;
static struct input in, messages;

static void shared_freed(void *addr, void *arg)
{
}

static void start(void)
{
	memset(&back, 0, sizeof(back));
	back.link.role = &back_role;
	back.link.listener = -1;
	back.link.socket = 40;
	back.link.busy = true;
	back.link.started = true;
	back.link.features = FEATURES;
	back.link.needed = FEATURES;
	back.link.due_tsc = UINT64_MAX;
	rte_spinlock_init(&back.link.tx_lock);
	for (int i = 0; i < VIRTIO_RINGS; i++) {
		back.queue[i].link = &back.link;
		back.queue[i].pool = net_pool();
		back.queue[i].kick = -1;
		back.queue[i].call = -1;
		back.queue[i].shared.free_cb = shared_freed;
		rte_mbuf_ext_refcnt_set(&back.queue[i].shared, 1);
	}
	back_role.connected(&back.link);
}

static int hear(const struct vhost_msg *msg, unsigned int fds)
{
	struct vhost_msg told = *msg;
	int err;

	told.flags |= VHOST_VERSION;
	net_fds = fds;
	messages = (struct input){ (const uint8_t *)&told,
				   offsetof(struct vhost_msg, number) + told.size };
	net_socket = &messages;
	err = back_role.readable(&back.link);
	net_socket = NULL;
	return err;
}

static void tell_state(uint32_t request, uint32_t index, uint32_t value)
{
	struct vhost_msg msg = { .request = request, .size = 8, .state = { index, value } };

	hear(&msg, 0);
}

/* As an honest front end begins. */
static void connect(void)
{
	struct vhost_msg memory = {
		.request = VHOST_SET_MEM_TABLE, .size = 40,
		.memory = { .count = 1, .region[0] = { GUEST, REGION, GUEST, 0 } },
	};
	struct vhost_msg features = {
		.request = VHOST_SET_FEATURES, .size = 8,
		.number = FEATURES | VHOST_F_PROTOCOL_FEATURES,
	};

	hear(&features, 0);
	hear(&memory, 1);
	for (uint32_t i = 0; i < VIRTIO_RINGS; i++) {
		uint64_t base = GUEST + i * 4096;
		struct vhost_msg addr = {
			.request = VHOST_SET_VRING_ADDR, .size = sizeof(struct vhost_vring_addr),
			.addr = { .index = i, .desc = base, .avail = base + 1024,
				  .used = base + 2048 },
		};
		struct vhost_msg fd = { .size = 8, .number = i };

		tell_state(VHOST_SET_VRING_NUM, i, ENTRIES);
		tell_state(VHOST_SET_VRING_BASE, i, 0);
		hear(&addr, 0);
		fd.request = VHOST_SET_VRING_CALL;
		hear(&fd, 1);
		fd.request = VHOST_SET_VRING_KICK;
		hear(&fd, 1);
		tell_state(VHOST_SET_VRING_ENABLE, i, 1);
	}
}

static void any_message(void)
{
	struct vhost_msg msg = { 0 };

	msg.request = take8(&in) % 26;
	msg.flags = take8(&in) & 1 ? VHOST_FLAG_NEED_REPLY : 0;
	msg.size = take8(&in);
	take(&in, msg.bytes, msg.size);
	hear(&msg, take8(&in) % (VHOST_REGIONS_MAX + 2));
}

/* Make a chain available: its descriptors are as the fuzzer likes them. */
static void offer(struct back_queue *q)
{
	uint8_t how = take8(&in);
	uint16_t i;

	if (!q->peer_desc || q->entries > 64)
		return;
	i = q->peer_avail->idx % q->entries;
	q->peer_desc[i] = (struct vring_desc){
		.addr = how & 1 ? take32(&in) : GUEST + 8192u + i * 2048u,
		.len = how & 2 ? take32(&in) : 128,
		.flags = how & 4 ? take16(&in) :
			 q == &back.queue[VIRTIO_RX] ? VRING_DESC_F_WRITE : 0,
		.next = how & 8 ? take16(&in) : 0,
	};
	q->peer_avail->ring[i] = how & 16 ? take16(&in) : i;
	q->peer_avail->idx = how & 32 ? take16(&in) : q->peer_avail->idx + 1;
	if (how & 64 && back.regions) {
		size_t at = take16(&in) % (size_t)back.region[0].bytes;

		back.region[0].base[at] = (char)take8(&in);
	}
}

static void receive(void)
{
	struct rte_mbuf *mbufs[BURST];
	uint16_t n = back_rx_burst(&back.queue[VIRTIO_TX], mbufs, BURST);

	for (uint16_t i = 0; i < n; i++) {
		for (struct rte_mbuf *m = mbufs[i]; m; m = m->next)
			CHECK(rt_dma_contains(rte_pktmbuf_mtod(m, void *), m->data_len));
		rte_pktmbuf_free(mbufs[i]);
	}
}

static void send(void)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(net_pool());
	uint16_t bytes = (uint16_t)(60 + 4 * take8(&in));

	CHECK(m);
	memset(rte_pktmbuf_append(m, bytes), 0, bytes);
	if (!back_tx_burst(&back.queue[VIRTIO_RX], &m, 1))
		rte_pktmbuf_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	in = (struct input){ data, size };
	net_pool();
	start();
	if (take8(&in) & 1)
		connect();
	for (int i = 0; i < STEPS && in.left; i++) {
		uint8_t what = take8(&in);

		switch (what % 6) {
		case 0:
			any_message();
			break;
		case 1:
		case 2:
			offer(&back.queue[what >> 7]);
			break;
		case 3:
			send();
			break;
		default:
			receive();
		}
	}
	back_role.disconnected(&back.link);
	net_check_pool();
	return 0;
}
