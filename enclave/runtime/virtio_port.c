// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ethdev of --net virtio-user and --net vhost: configuration, start.
 *
 * Not DPDK's own PMDs: net_virtio keeps its queues' state and all mbuf headers
 * in the memory that it hands to the back end, and reads descriptors back from
 * there, so that no check of the used ring alone makes it safe.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>

#include <rte_log.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "control.h"
#include "dma.h"
#include "ethdev.h"
#include "virtio.h"
#include "virtio_back.h"
#include "virtio_front.h"

enum {
	DMA_BYTES = 18 << 20,
	DMA_PAGE = 4096,
	BACK_BURSTS = 64,
};

/* In private memory; one of the two is in use. */
static struct front front;
static struct back back;
static struct virtio_link *the_link;

static uint64_t if_any(uint64_t offloads, uint64_t wanted, uint64_t features)
{
	return offloads & wanted ? features : 0;
}

/* A port's offloads are fixed before anybody connects, so they are what is negotiated. */
static void choose_features(const struct rte_eth_dev *dev)
{
	uint64_t tx = dev->data->dev_conf.txmode.offloads;
	uint64_t rx = dev->data->dev_conf.rxmode.offloads;
	bool front_end = the_link == &front.link;
	uint64_t csum[] = { 1ULL << VIRTIO_NET_F_CSUM, 1ULL << VIRTIO_NET_F_GUEST_CSUM };
	uint64_t tso[] = { VIRTIO_HOST_TSO, VIRTIO_GUEST_TSO };

	the_link->needed = VIRTIO_BASE |
			   if_any(tx, RTE_ETH_TX_OFFLOAD_TCP_CKSUM, csum[!front_end]) |
			   if_any(tx, RTE_ETH_TX_OFFLOAD_TCP_TSO, tso[!front_end]);
	the_link->features = the_link->needed |
			     if_any(rx, RTE_ETH_RX_OFFLOAD_TCP_CKSUM, csum[front_end]) |
			     if_any(rx, RTE_ETH_RX_OFFLOAD_TCP_LRO, tso[front_end]);
}

static int port_start(struct rte_eth_dev *dev)
{
	int err;

	choose_features(dev);
	err = virtio_link_start(the_link);

	ethdev_set_link(dev, the_link->up);
	return err;
}

static int port_infos_get(struct rte_eth_dev *dev, struct rte_eth_dev_info *info)
{
	/* What a back end's rings hold are the front end's buffers. */
	uint16_t own_buffers = the_link == &front.link ? FRONT_RING : BACK_BURSTS;

	(void)dev;
	ethdev_fill_info(info, 1, own_buffers, FRONT_RING);
	return 0;
}

static int port_rx_setup(struct rte_eth_dev *dev, uint16_t queue, uint16_t descriptors,
			 unsigned int socket, const struct rte_eth_rxconf *conf,
			 struct rte_mempool *pool)
{
	(void)descriptors;
	(void)socket;
	(void)conf;
	if (the_link == &front.link) {
		front.queue[VIRTIO_RX].pool = pool;
		dev->data->rx_queues[queue] = &front.queue[VIRTIO_RX];
	} else {
		/* What the front end sends is what we receive. */
		back.queue[VIRTIO_TX].pool = pool;
		dev->data->rx_queues[queue] = &back.queue[VIRTIO_TX];
	}
	return 0;
}

static int port_tx_setup(struct rte_eth_dev *dev, uint16_t queue, uint16_t descriptors,
			 unsigned int socket, const struct rte_eth_txconf *conf)
{
	(void)descriptors;
	(void)socket;
	(void)conf;
	dev->data->tx_queues[queue] = the_link == &front.link ?
		(void *)&front.queue[VIRTIO_TX] : (void *)&back.queue[VIRTIO_RX];
	return 0;
}

static int port_rx_intr_enable(struct rte_eth_dev *dev, uint16_t queue)
{
	(void)dev;
	(void)queue;
	virtio_link_rouse(the_link);
	if (!the_link->up)
		return 0;	/* a message or a connection wakes too */
	if (the_link == &front.link)
		front_rx_arm(&front.queue[VIRTIO_RX]);
	else
		back_rx_arm(&back.queue[VIRTIO_TX]);
	return 0;
}

static struct ethdev_ops port_ops(void)
{
	struct ethdev_ops ops = ethdev_common_ops;

	ops.start = port_start;
	ops.infos_get = port_infos_get;
	ops.rx_queue_setup = port_rx_setup;
	ops.tx_queue_setup = port_tx_setup;
	ops.rx_intr_enable = port_rx_intr_enable;	/* the next burst disarms it */
	return ops;
}

/* ---- attach ---- */

static int make_front_queue(struct front_queue *q)
{
	q->link = &front.link;
	q->vq.desc = rt_dma_alloc(DMA_PAGE);
	q->vq.avail = rt_dma_alloc(DMA_PAGE);
	q->vq.host_used = rt_dma_alloc(DMA_PAGE);
	q->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	q->call = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (!q->vq.desc || !q->vq.avail || !q->vq.host_used || q->kick < 0 || q->call < 0)
		return -ENOMEM;
	front_queue_reset(q);
	return 0;
}

static int make_front(void)
{
	int err = rt_dma_start(DMA_BYTES);

	for (int i = 0; i < VIRTIO_RINGS && !err; i++)
		err = make_front_queue(&front.queue[i]);
	if (err)
		return err;
	front.link.role = &front_role;
	rt_wait_add(front.queue[VIRTIO_RX].call);
	the_link = &front.link;
	return 0;
}

static void shared_freed(void *addr, void *arg)
{
	(void)addr;
	(void)arg;
}

static void make_back(void)
{
	for (int i = 0; i < VIRTIO_RINGS; i++) {
		struct back_queue *q = &back.queue[i];

		q->link = &back.link;
		q->kick = -1;
		q->call = -1;
		q->shared.free_cb = shared_freed;
		/* One for ourselves: the front end's memory is not freed by mbufs. */
		rte_mbuf_ext_refcnt_set(&q->shared, 1);
	}
	back.link.role = &back_role;
	the_link = &back.link;
}

int rt_virtio_attach(const struct rt_virtio_config *config, uint16_t *ret_port)
{
	static struct ethdev_ops ops;
	struct ethdev_port port = {
		.driver = config->back_end ? RT_VHOST_DRIVER : RT_VIRTIO_DRIVER,
		.mac = config->mac,
		.ops = &ops,
		.rx_burst = config->back_end ? back_rx_burst : front_rx_burst,
		.tx_burst = config->back_end ? back_tx_burst : front_tx_burst,
	};
	struct rte_eth_dev *dev;
	int err = rt_control_start();

	if (err) {
		rte_log(RTE_LOG_ERR, RTE_LOGTYPE_PMD,
			"its control socket needs io_uring of the host: sysctl kernel.io_uring_disabled=0\n");
		return err;
	}
	fcntl(config->fd, F_SETFL, fcntl(config->fd, F_GETFL) | O_NONBLOCK);
	if (config->queues > 1) {
		rte_log(RTE_LOG_ERR, RTE_LOGTYPE_PMD, "shared-memory networks have one queue: leave out mq\n");
		return -EOPNOTSUPP;
	}
	if (config->back_end)
		make_back();
	else
		err = make_front();
	if (err) {
		rte_log(RTE_LOG_ERR, RTE_LOGTYPE_PMD, "the DMA region cannot be made\n");
		return err;
	}
	the_link->busy = config->busy;
	the_link->listener = config->listens ? config->fd : -1;
	the_link->socket = config->listens ? -1 : config->fd;
	ops = port_ops();
	err = ethdev_make(&port, &dev);
	if (err)
		return err;
	rte_eth_dev_probing_finish(dev);
	*ret_port = dev->data->port_id;
	return 0;
}

unsigned int rt_virtio_start_events(int kick[RT_VIRTIO_RINGS_MAX], int call[RT_VIRTIO_RINGS_MAX])
{
	if (the_link != &front.link)
		return 0;
	for (int i = 0; i < VIRTIO_RINGS; i++) {
		kick[i] = front.queue[i].kick;
		call[i] = front.queue[i].call;
	}
	return VIRTIO_RINGS;
}

const unsigned char *rt_virtio_carrier(void)
{
	_Static_assert(sizeof(the_link->up) == 1, "the kernel reads a byte");
	return (const unsigned char *)&the_link->up;
}

bool rt_virtio_stats(struct rt_virtio_stats *ret)
{
	*ret = (struct rt_virtio_stats){ 0 };
	if (!the_link)
		return false;
	ret->checks = the_link->checks;
	ret->connects = the_link->connects;
	ret->yields = the_link->yields;
	for (int i = 0; i < VIRTIO_RINGS; i++) {
		ret->kicks += front.queue[i].kicks + back.queue[i].calls;
		ret->dropped += front.queue[i].dropped + back.queue[i].dropped;
		ret->tx_full += front.queue[i].full + back.queue[i].full;
	}
	return true;
}
