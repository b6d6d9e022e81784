// SPDX-License-Identifier: GPL-2.0-only
/*
 * The port between the library kernel and one DPDK ethdev: configuration.
 * net_burst.c moves the frames.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf_pool_ops.h>

#include "dma.h"
#include "eal.h"
#include "net.h"
#include "net_port.h"
#include "tap.h"
#include "virtio.h"

/* From the integrator's wait loop: @fd becoming readable ends a sleep. */
void rt_wait_add(int fd);

enum {
	EAL_BYTES = 16 << 20,
	QUEUE_BYTES = 8 << 20,	/* more for each queue but the first */
	POINTERS = RT_NET_BURST * 20,
	SMALL_ROOM = RTE_PKTMBUF_HEADROOM + RT_NET_SMALL_BYTES,
	/* In flight beyond the rings: two bursts, what caches hold, spares. */
	SMALL_EXTRA = 384,
	LARGE_EXTRA = 320,
	MBUF_CACHE = 64,
	/* Buffers an odd number of cache lines apart share no set of the cache. */
	CACHE_LINE = 64,
};

struct rt_net_port rt_net_port;
static struct rt_net_info info;
const struct rt_net_info *rt_net_info;

static const uint64_t wanted_tx = RTE_ETH_TX_OFFLOAD_MULTI_SEGS |
				  RTE_ETH_TX_OFFLOAD_IPV4_CKSUM |
				  RTE_ETH_TX_OFFLOAD_TCP_CKSUM |
				  RTE_ETH_TX_OFFLOAD_UDP_CKSUM |
				  RTE_ETH_TX_OFFLOAD_TCP_TSO;
static const uint64_t wanted_rx = RTE_ETH_RX_OFFLOAD_SCATTER |
				  RTE_ETH_RX_OFFLOAD_BUFFER_SPLIT |
				  RTE_ETH_RX_OFFLOAD_TCP_CKSUM |
				  RTE_ETH_RX_OFFLOAD_UDP_CKSUM |
				  RTE_ETH_RX_OFFLOAD_TCP_LRO;

static bool has(uint64_t offloads, uint64_t all)
{
	return (offloads & all) == all;
}

/* Header split by length, from two pools, keeps small frames in small mbufs. */
static bool can_split(const struct rte_eth_dev_info *dev)
{
	return has(dev->rx_offload_capa, RTE_ETH_RX_OFFLOAD_BUFFER_SPLIT) &&
	       dev->rx_seg_capa.multi_pools && dev->rx_seg_capa.max_nseg >= 2;
}

/* What DPDK calls the offloads that are not wanted. */
static uint64_t without_tx(unsigned int without)
{
	uint64_t sums = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM |
			RTE_ETH_TX_OFFLOAD_UDP_CKSUM;

	return (without & RT_NET_WITHOUT_CSUM ? sums : 0) |
	       (without & (RT_NET_WITHOUT_CSUM | RT_NET_WITHOUT_TSO) ?
		RTE_ETH_TX_OFFLOAD_TCP_TSO : 0);
}

static uint64_t without_rx(unsigned int without)
{
	uint64_t sums = RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;

	return (without & RT_NET_WITHOUT_CSUM ? sums : 0) |
	       (without & (RT_NET_WITHOUT_CSUM | RT_NET_WITHOUT_LRO) ?
		RTE_ETH_RX_OFFLOAD_TCP_LRO : 0);
}

static int configure(struct rt_net_port *port, const struct rte_eth_dev_info *dev,
		     const struct rt_net_config *config)
{
	struct rte_eth_conf conf = {
		.rxmode.mtu = config->mtu,
		.rxmode.offloads = wanted_rx & dev->rx_offload_capa & ~without_rx(config->without),
		.txmode.offloads = wanted_tx & dev->tx_offload_capa & ~without_tx(config->without),
		.intr_conf.rxq = 1,
	};
	int err;

	if (!can_split(dev))
		conf.rxmode.offloads &= ~RTE_ETH_RX_OFFLOAD_BUFFER_SPLIT;
	err = rte_eth_dev_configure(port->id, port->queues, port->queues, &conf);
	if (err) {
		conf.intr_conf.rxq = 0;
		err = rte_eth_dev_configure(port->id, port->queues,
					    port->queues, &conf);
	}
	port->tx_offloads = conf.txmode.offloads;
	port->rx_offloads = conf.rxmode.offloads;
	return err;
}

/* Only the frames are shared with a back end; the headers of their mbufs stay private. */
static struct rte_mempool *make_shared_pool(const char *name, unsigned int count,
					    uint16_t room)
{
	uint16_t stride = (uint16_t)(RTE_ALIGN_CEIL(room, CACHE_LINE) | CACHE_LINE);
	size_t bytes = (size_t)stride * count;
	struct rte_pktmbuf_extmem memory = {
		.buf_ptr = rt_dma_alloc(bytes),
		.buf_len = bytes,
		.elt_size = stride,
	};

	if (!memory.buf_ptr)
		return NULL;
	memory.buf_iova = (uintptr_t)memory.buf_ptr;
	return rte_pktmbuf_pool_create_extbuf(name, count, MBUF_CACHE, 0, room,
					      SOCKET_ID_ANY, &memory, 1);
}

/* Last in, first out: the buffers in use stay few, and in the CPU's cache. */
static struct rte_mempool *make_pool(const char *name, unsigned int count, uint16_t room)
{
	if (rt_dma()->fd >= 0)
		return make_shared_pool(name, count, room);
	return rte_pktmbuf_pool_create_by_ops(name, count, MBUF_CACHE, 0, room,
					      SOCKET_ID_ANY, "stack");
}

static int make_pools(struct rt_net_port *port, const struct rte_eth_dev_info *dev)
{
	unsigned int rings = port->queues * (dev->default_rxportconf.ring_size +
					     dev->default_txportconf.ring_size);

	rte_mbuf_set_user_mempool_ops("stack");
	port->small = make_pool("small", port->queues * SMALL_EXTRA + rings, SMALL_ROOM);
	port->large = make_pool("large", port->queues * LARGE_EXTRA + rings, RT_NET_LARGE_BYTES);
	port->pointers = rte_pktmbuf_pool_create_by_ops("pointers", port->queues * POINTERS,
							MBUF_CACHE, 0, 0, SOCKET_ID_ANY, "stack");
	return port->small && port->large && port->pointers ? 0 : -rte_errno;
}

/* Where a port cannot split, a super-frame must not take dozens of buffers. */
static struct rte_mempool *whole_pool(const struct rt_net_port *port)
{
	return has(port->rx_offloads, RTE_ETH_RX_OFFLOAD_TCP_LRO) ? port->large : port->small;
}

static int setup_rx(struct rt_net_port *port, const struct rte_eth_dev_info *dev,
		    uint16_t queue)
{
	union rte_eth_rxseg segs[2] = {
		{ .split = { .mp = port->small, .length = RT_NET_SMALL_BYTES } },
		{ .split = { .mp = port->large, .length = 0 } },
	};
	struct rte_eth_rxconf conf = dev->default_rxconf;

	conf.offloads = port->rx_offloads;
	if (!has(port->rx_offloads, RTE_ETH_RX_OFFLOAD_BUFFER_SPLIT))
		return rte_eth_rx_queue_setup(port->id, queue,
				dev->default_rxportconf.ring_size, SOCKET_ID_ANY,
				&conf, whole_pool(port));
	conf.rx_seg = segs;
	conf.rx_nseg = 2;
	return rte_eth_rx_queue_setup(port->id, queue,
				      dev->default_rxportconf.ring_size,
				      SOCKET_ID_ANY, &conf, NULL);
}

static int setup_queues(struct rt_net_port *port, const struct rte_eth_dev_info *dev)
{
	struct rte_eth_txconf conf = dev->default_txconf;

	conf.offloads = port->tx_offloads;
	for (uint16_t i = 0; i < rt_net_port.queues; i++) {
		int err = setup_rx(port, dev, i);

		if (!err)
			err = rte_eth_tx_queue_setup(port->id, i,
					dev->default_txportconf.ring_size,
					SOCKET_ID_ANY, &conf);
		if (err)
			return err;
	}
	return 0;
}

static void add_waits(const struct rt_net_port *port)
{
	for (uint16_t i = 0; i < rt_net_port.queues; i++) {
		int fd = rte_eth_dev_rx_intr_ctl_q_get_fd(port->id, i);

		if (fd >= 0)
			rt_wait_add(fd);
	}
}

static int fill_info(const struct rt_net_port *port,
		     const struct rte_eth_dev_info *dev, const struct rt_net_config *config)
{
	static const unsigned char plugged = 1;
	struct rte_ether_addr mac;
	int err = rte_eth_macaddr_get(port->id, &mac);

	if (err)
		return err;
	memcpy(info.mac, mac.addr_bytes, sizeof(info.mac));
	info.driver = dev->driver_name;
	info.event_is_level = !strcmp(dev->driver_name, RT_TAP_DRIVER);
	info.mtu = config->mtu;
	info.mtu_min = dev->min_mtu;
	info.mtu_max = RTE_MIN(dev->max_mtu, RT_NET_MTU_MAX);
	info.queues = port->queues;
	info.without_gso = !!(config->without & RT_NET_WITHOUT_GSO);
	info.without_gro = !!(config->without & RT_NET_WITHOUT_GRO);
	info.carrier = info.event_is_level ? &plugged : rt_virtio_carrier();
	info.tx_sg = has(port->tx_offloads, RTE_ETH_TX_OFFLOAD_MULTI_SEGS);
	info.tx_csum = has(port->tx_offloads, RTE_ETH_TX_OFFLOAD_TCP_CKSUM |
					      RTE_ETH_TX_OFFLOAD_UDP_CKSUM);
	info.tx_tso = info.tx_csum && info.tx_sg &&
		      has(port->tx_offloads, RTE_ETH_TX_OFFLOAD_TCP_TSO);
	info.rx_csum = has(port->rx_offloads, RTE_ETH_RX_OFFLOAD_TCP_CKSUM |
					      RTE_ETH_RX_OFFLOAD_UDP_CKSUM);
	rt_net_info = &info;
	return 0;
}

static int start_port(struct rt_net_port *port, const struct rt_net_config *config)
{
	struct rte_eth_dev_info dev;
	int err;

	err = rte_eth_dev_info_get(port->id, &dev);
	if (err)
		return err;
	port->queues = (uint16_t)config->queues;
	err = configure(port, &dev, config);
	if (err)
		return err;
	err = make_pools(port, &dev);
	if (err)
		return err;
	err = setup_queues(port, &dev);
	if (err)
		return err;
	err = rte_eth_dev_start(port->id);
	if (err)
		return err;
	add_waits(port);
	return fill_info(port, &dev, config);
}

static int attach_tap(const struct rt_net_config *config, uint16_t *ret_port)
{
	const void *start;
	size_t bytes = rt_eal_memory(&start);
	int err = rt_dma_allow(start, bytes);

	return err ? err : rt_tap_attach(config, ret_port);
}

static int attach_virtio(const struct rt_net_config *config, uint16_t *ret_port)
{
	struct rt_virtio_config virtio = {
		.fd = config->fd,
		.listens = config->listens,
		.queues = config->queues,
		.back_end = config->kind == RT_NET_VHOST,
		.busy = config->busy,
	};

	memcpy(virtio.mac, config->mac, sizeof(virtio.mac));
	return rt_virtio_attach(&virtio, ret_port);
}

int rt_net_start(const struct rt_net_config *config)
{
	struct rt_eal_config eal = {
		.memory_bytes = EAL_BYTES + (config->queues - 1) * QUEUE_BYTES,
		.tsc_hz = config->tsc_hz,
	};
	struct rt_net_port *port = &rt_net_port;
	int err;

	err = rt_eal_start(&eal);
	if (err)
		return err;
	err = config->kind == RT_NET_TAP ? attach_tap(config, &port->id) :
					   attach_virtio(config, &port->id);
	if (err)
		return err;
	port->points = config->kind == RT_NET_TAP && !(config->without & RT_NET_WITHOUT_ZEROCOPY);
	return start_port(port, config);
}

int rt_net_thread_start(void)
{
	if (!rt_net_info || rte_lcore_id() != LCORE_ID_ANY)
		return 0;
	return rte_thread_register() ? -rte_errno : 0;
}

long rt_net_arm(void *queue)
{
	const unsigned int *index = queue;

	return rte_eth_dev_rx_intr_enable(rt_net_port.id, (uint16_t)*index);
}

long rt_net_set_mtu(void *mtu)
{
	const unsigned int *bytes = mtu;

	return rte_eth_dev_set_mtu(rt_net_port.id, (uint16_t)*bytes);
}

void rt_net_stats(struct rt_net_stats *ret)
{
	struct rt_virtio_stats virtio;
	struct rt_tap_stats tap;

	rt_tap_stats(&tap);
	*ret = (struct rt_net_stats){
		.host_writes = tap.writes,
		.host_reads = tap.reads,
		.host_reads_empty = tap.reads_empty,
		.tx_full = tap.tx_full,
		.tx_dropped = tap.tx_errors,
		.rx_dropped = tap.rx_errors,
	};
	ret->direct = rt_virtio_stats(&virtio);
	ret->queues = rt_net_port.queues;
	ret->kicks = virtio.kicks;
	ret->link_checks = virtio.checks;
	ret->connects = virtio.connects;
	ret->yields = virtio.yields;
	ret->tx_full += virtio.tx_full;
	ret->tx_dropped += virtio.dropped;
	for (unsigned int i = 0; i < rt_net_port.queues; i++) {
		const struct rt_net_queue *q = &rt_net_port.queue[i];

		ret->tx_queue[i] = q->tx.packets;
		ret->rx_queue[i] = q->rx.packets;
		ret->tx_packets += q->tx.packets;
		ret->tx_bytes += q->tx.bytes;
		ret->tx_dropped += q->tx.dropped;
		ret->tx_crossings += q->tx.crossings;
		ret->rx_packets += q->rx.packets;
		ret->rx_bytes += q->rx.bytes;
		ret->rx_dropped += q->rx.dropped;
		ret->rx_crossings += q->rx.crossings;
	}
}
