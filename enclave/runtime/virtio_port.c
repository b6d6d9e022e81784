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
#include "tap_ethdev.h"
#include "virtio.h"
#include "virtio_back.h"
#include "virtio_front.h"

enum {
	PORT_MTU_MAX = 65521,
	DMA_BYTES = 18 << 20,
	DMA_PAGE = 4096,
	BACK_BURSTS = 64,
};

static const uint64_t tx_offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS |
				    RTE_ETH_TX_OFFLOAD_TCP_CKSUM |
				    RTE_ETH_TX_OFFLOAD_UDP_CKSUM |
				    RTE_ETH_TX_OFFLOAD_TCP_TSO;
static const uint64_t rx_offloads = RTE_ETH_RX_OFFLOAD_SCATTER |
				    RTE_ETH_RX_OFFLOAD_TCP_CKSUM |
				    RTE_ETH_RX_OFFLOAD_UDP_CKSUM |
				    RTE_ETH_RX_OFFLOAD_TCP_LRO;

/* In private memory; one of the two is in use. */
static struct front front;
static struct back back;
static struct virtio_link *the_link;

static int nothing(struct rte_eth_dev *dev)
{
	(void)dev;
	return 0;
}

static int set_link(struct rte_eth_dev *dev, int wait)
{
	(void)wait;
	dev->data->dev_link = (struct rte_eth_link){
		.link_speed = RTE_ETH_SPEED_NUM_10G,
		.link_duplex = RTE_ETH_LINK_FULL_DUPLEX,
		.link_autoneg = RTE_ETH_LINK_FIXED,
		.link_status = the_link->up,
	};
	return 0;
}

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

	return err ? err : set_link(dev, 0);
}

static int port_mac_set(struct rte_eth_dev *dev, struct rte_ether_addr *mac)
{
	(void)dev;
	(void)mac;	/* every frame is delivered */
	return 0;
}

static int port_mtu_set(struct rte_eth_dev *dev, uint16_t mtu)
{
	(void)dev;
	return mtu <= PORT_MTU_MAX ? 0 : -EINVAL;
}

static int port_infos_get(struct rte_eth_dev *dev, struct rte_eth_dev_info *info)
{
	/* What a back end's rings hold are the front end's buffers. */
	uint16_t own_buffers = the_link == &front.link ? FRONT_RING : BACK_BURSTS;

	(void)dev;
	info->max_rx_queues = 1;
	info->max_tx_queues = 1;
	info->max_mac_addrs = 1;
	info->min_mtu = RTE_ETHER_MIN_MTU;
	info->max_mtu = PORT_MTU_MAX;
	info->max_rx_pktlen = PORT_MTU_MAX + RTE_ETHER_HDR_LEN;
	info->max_lro_pkt_size = VIRTIO_FRAME_MAX;
	info->rx_offload_capa = rx_offloads;
	info->tx_offload_capa = tx_offloads;
	info->tx_desc_lim.nb_seg_max = FRONT_RING;
	info->tx_desc_lim.nb_mtu_seg_max = FRONT_RING;
	info->default_rxportconf.ring_size = own_buffers;
	info->default_txportconf.ring_size = own_buffers;
	info->default_rxportconf.nb_queues = 1;
	info->default_txportconf.nb_queues = 1;
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

static void port_queue_release(struct rte_eth_dev *dev, uint16_t queue)
{
	(void)dev;
	(void)queue;
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

static int port_rx_intr_disable(struct rte_eth_dev *dev, uint16_t queue)
{
	(void)dev;
	(void)queue;
	return 0;	/* the next burst does it */
}

static const struct tap_dev_ops port_ops = {
	.configure = nothing,
	.start = port_start,
	.stop = nothing,
	.link_up = nothing,
	.link_down = nothing,
	.close = nothing,
	.link_update = set_link,
	.promiscuous_enable = nothing,
	.promiscuous_disable = nothing,
	.allmulticast_enable = nothing,
	.allmulticast_disable = nothing,
	.mac_set = port_mac_set,
	.mtu_set = port_mtu_set,
	.infos_get = port_infos_get,
	.rx_queue_setup = port_rx_setup,
	.rx_queue_release = port_queue_release,
	.rx_intr_enable = port_rx_intr_enable,
	.rx_intr_disable = port_rx_intr_disable,
	.tx_queue_setup = port_tx_setup,
	.tx_queue_release = port_queue_release,
};

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

static struct rte_driver driver;
static struct rte_device device = { .driver = &driver };

static int fill_port(struct rte_eth_dev *dev, const struct rt_virtio_config *config)
{
	dev->data->mac_addrs = rte_zmalloc(NULL, sizeof(struct rte_ether_addr), 0);
	if (!dev->data->mac_addrs)
		return -ENOMEM;
	memcpy(dev->data->mac_addrs, config->mac, sizeof(config->mac));
	driver.name = config->back_end ? RT_VHOST_DRIVER : RT_VIRTIO_DRIVER;
	device.name = driver.name;
	dev->data->promiscuous = 1;
	dev->device = &device;
	dev->dev_ops = &port_ops;
	dev->rx_burst = config->back_end ? back_rx_burst : front_rx_burst;
	dev->tx_burst = config->back_end ? back_tx_burst : front_tx_burst;
	return 0;
}

int rt_virtio_attach(const struct rt_virtio_config *config, uint16_t *ret_port)
{
	const char *name = config->back_end ? RT_VHOST_DRIVER "0" : RT_VIRTIO_DRIVER "0";
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
	dev = rte_eth_dev_allocate(name);
	if (!dev)
		return -ENOMEM;
	if (!tap_check_abi(dev, name)) {
		rte_eth_dev_release_port(dev);
		return -ENOTSUP;
	}
	err = fill_port(dev, config);
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
