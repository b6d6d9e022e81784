// SPDX-License-Identifier: Apache-2.0
/* The front end's receive and send rings; the other end does what the fuzzer says. */
#include <rte_cycles.h>

#include "../../../enclave/runtime/virtio_front.h"
#include "net_host.h"

enum { STEPS = 300, BURST = 32, RING_BYTES = 8192 };

static struct front front;
static struct input in;

static void start(void)
{
	memset(&front, 0, sizeof(front));
	front.link.role = &front_role;
	front.link.listener = -1;
	front.link.socket = 40;
	front.link.up = true;
	front.link.busy = true;
	front.link.started = true;
	front.link.due_tsc = UINT64_MAX;
	rte_spinlock_init(&front.link.tx_lock);
	for (int i = 0; i < VIRTIO_RINGS; i++) {
		struct front_queue *q = &front.queue[i];

		q->link = &front.link;
		q->pool = net_pool();
		q->vq.desc = calloc(1, RING_BYTES);
		q->vq.avail = calloc(1, RING_BYTES);
		q->vq.host_used = calloc(1, RING_BYTES);
		q->kick = 41;
		q->call = 42;
		front_queue_reset(q);
	}
	front_rx_fill(&front.queue[VIRTIO_RX]);
}

static void stop(void)
{
	for (int i = 0; i < VIRTIO_RINGS; i++) {
		struct front_queue *q = &front.queue[i];

		front_queue_reset(q);
		free(q->vq.desc);
		free(q->vq.avail);
		free(q->vq.host_used);
	}
}

static struct rte_mbuf *a_frame(void)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(net_pool());
	uint16_t bytes = (uint16_t)(60 + take8(&in));

	if (!m)
		return NULL;
	memset(rte_pktmbuf_append(m, bytes), 0, bytes);
	return m;
}

static void send(void)
{
	struct rte_mbuf *m = a_frame();

	if (m && !front_tx_burst(&front.queue[VIRTIO_TX], &m, 1))
		rte_pktmbuf_free(m);
}

static void receive(void)
{
	struct rte_mbuf *mbufs[BURST];
	uint16_t n = front_rx_burst(&front.queue[VIRTIO_RX], mbufs, BURST);

	for (uint16_t i = 0; i < n; i++) {
		CHECK(mbufs[i]->pkt_len <= VIRTIO_FRAME_MAX);
		rte_pktmbuf_free(mbufs[i]);
	}
}

/* A frame in the ring, honest but for what the fuzzer wants. */
static void use(struct front_queue *q)
{
	struct vring_used *used = q->vq.host_used;
	struct vring_used_elem *entry = &used->ring[used->idx % FRONT_RING];
	uint16_t head = q->vq.avail->ring[used->idx % FRONT_RING];
	uint8_t how = take8(&in);

	entry->id = how & 1 ? take16(&in) : head;
	entry->len = how & 2 ? take32(&in) : 60 + VIRTIO_HDR_BYTES;
	if (head < FRONT_RING && q->slot[head].owner) {
		struct rte_mbuf *m = q->slot[head].owner;
		char *data = rte_pktmbuf_mtod(m, char *);

		memset(data, 0, 80);
		data[10] = 1;
		if (how & 4)
			take(&in, data, 60);
	}
	used->idx = how & 8 ? take16(&in) : used->idx + 1;
}

static void scribble(struct front_queue *q)
{
	size_t at = take16(&in);

	take(&in, (char *)q->vq.desc + at % (RING_BYTES - 4), 4);
	take(&in, (char *)q->vq.avail + at % (RING_BYTES - 4), 4);
	take(&in, (char *)q->vq.host_used + at % (RING_BYTES - 4), 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	in = (struct input){ data, size };
	net_pool();
	start();
	for (int i = 0; i < STEPS && in.left; i++) {
		uint8_t what = take8(&in);
		struct front_queue *q = &front.queue[what >> 7];

		switch (what % 6) {
		case 0:
			send();
			break;
		case 1:
		case 2:
			use(q);
			break;
		case 3:
			scribble(q);
			break;
		case 4:
			front_rx_arm(&front.queue[VIRTIO_RX]);
			break;
		default:
			receive();
		}
	}
	stop();
	net_check_pool();
	return 0;
}
