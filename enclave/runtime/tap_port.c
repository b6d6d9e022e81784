// SPDX-License-Identifier: GPL-2.0-only
/* net_rkt_tap, control path: probing, configuration, statistics. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include <rte_bus_vdev.h>
#include <rte_devargs.h>
#include <rte_interrupts.h>
#include <rte_log.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "../libos/overlay/arch/libos/include/asm/runtime_net.h"
#include "ethdev.h"
#include "tap.h"
#include "tap_queue.h"

enum {
	TAP_QUEUES = RT_NET_QUEUES_MAX,	/* one per descriptor; more with IFF_MULTI_QUEUE */
	TAP_RING = 32,		/* nothing is queued: for those who ask */
};

struct tap {
	unsigned int queues;
	int fd[TAP_QUEUES];
	struct tap_rxq rxq[TAP_QUEUES];
	struct tap_txq txq[TAP_QUEUES];
};

static struct tap the_tap;	/* in private memory, unlike what rte_malloc() gives */

#define tap_log(...) rte_log(RTE_LOG_ERR, RTE_LOGTYPE_PMD, __VA_ARGS__)

static int tap_start(struct rte_eth_dev *dev)
{
	uint64_t offloads = dev->data->dev_conf.rxmode.offloads;
	struct tap *tap = dev->process_private;
	unsigned long accept = 0;

	if (offloads & RTE_ETH_RX_OFFLOAD_TCP_CKSUM)
		accept = TUN_F_CSUM;
	if (accept && offloads & RTE_ETH_RX_OFFLOAD_TCP_LRO)
		accept |= TUN_F_TSO4 | TUN_F_TSO6;
	if (ioctl(tap->fd[0], TUNSETOFFLOAD, accept))
		return -errno;
	ethdev_set_link(dev, true);
	return 0;
}

static int tap_stats_get(struct rte_eth_dev *dev, struct rte_eth_stats *stats)
{
	struct tap *tap = dev->process_private;

	for (unsigned int i = 0; i < TAP_QUEUES; i++) {
		stats->ipackets += tap->rxq[i].packets;
		stats->ibytes += tap->rxq[i].bytes;
		stats->ierrors += tap->rxq[i].errors;
		stats->rx_nombuf += tap->rxq[i].no_mbuf;
		stats->opackets += tap->txq[i].packets;
		stats->obytes += tap->txq[i].bytes;
		stats->oerrors += tap->txq[i].errors;
	}
	return 0;
}

static int tap_infos_get(struct rte_eth_dev *dev, struct rte_eth_dev_info *info)
{
	(void)dev;
	ethdev_fill_info(info, the_tap.queues, TAP_RING, TAP_TX_SEGS);
	info->rx_offload_capa |= RTE_ETH_RX_OFFLOAD_BUFFER_SPLIT;
	info->rx_seg_capa.multi_pools = 1;
	info->rx_seg_capa.max_nseg = TAP_RX_SEGS;
	return 0;
}

static int tap_rxq_add(struct tap_rxq *q, struct rte_mempool *pool, uint32_t length)
{
	uint16_t offset = q->segs ? 0 : RTE_PKTMBUF_HEADROOM;
	uint32_t room = rte_pktmbuf_data_room_size(pool);

	if (q->segs == TAP_RX_SEGS || room <= offset)
		return -EINVAL;
	room -= offset;
	if (length && length < room)
		room = length;
	q->pool[q->segs] = pool;
	q->offset[q->segs] = offset;
	q->room[q->segs++] = (uint16_t)room;
	return (int)room;
}

/*
 * Lay out the scatter list: the segments asked for, and the last one repeated
 * until a super-frame fits. A frame takes only the mbufs that it fills.
 */
static int tap_rx_queue_setup(struct rte_eth_dev *dev, uint16_t queue,
			      uint16_t descriptors, unsigned int socket,
			      const struct rte_eth_rxconf *conf,
			      struct rte_mempool *pool)
{
	struct tap *tap = dev->process_private;
	struct tap_rxq *q = &tap->rxq[queue];
	uint32_t length = 0;
	int total = 0;

	(void)descriptors;
	(void)socket;
	*q = (struct tap_rxq){ .fd = tap->fd[queue], .port = dev->data->port_id };
	for (unsigned int i = 0; total <= TAP_FRAME_MAX; i++) {
		int room;

		if (i < conf->rx_nseg) {
			pool = conf->rx_seg[i].split.mp;
			length = conf->rx_seg[i].split.length;
		}
		room = tap_rxq_add(q, pool, length);
		if (room < 0) {
			tap_log("net_rkt_tap: receive buffers too small\n");
			return room;
		}
		total += room;
	}
	q->iov[0].iov_base = &q->host_hdr;
	q->iov[0].iov_len = sizeof(q->host_hdr);
	dev->data->rx_queues[queue] = q;
	return 0;
}

static void tap_rx_queue_release(struct rte_eth_dev *dev, uint16_t queue)
{
	struct tap_rxq *q = dev->data->rx_queues[queue];

	for (unsigned int i = 0; q && i < q->segs; i++) {
		rte_pktmbuf_free(q->spare[i]);
		q->spare[i] = NULL;
	}
}

static int tap_tx_queue_setup(struct rte_eth_dev *dev, uint16_t queue,
			      uint16_t descriptors, unsigned int socket,
			      const struct rte_eth_txconf *conf)
{
	struct tap *tap = dev->process_private;

	(void)descriptors;
	(void)socket;
	(void)conf;
	tap->txq[queue] = (struct tap_txq){ .fd = tap->fd[queue] };
	dev->data->tx_queues[queue] = &tap->txq[queue];
	return 0;
}

/* The tap itself is the event, and always armed. */
static struct ethdev_ops tap_ops(void)
{
	struct ethdev_ops ops = ethdev_common_ops;

	ops.start = tap_start;
	ops.stats_get = tap_stats_get;
	ops.infos_get = tap_infos_get;
	ops.rx_queue_setup = tap_rx_queue_setup;
	ops.rx_queue_release = tap_rx_queue_release;
	ops.tx_queue_setup = tap_tx_queue_setup;
	return ops;
}

/* ---- attach ---- */

static int tap_prepare_fd(int fd)
{
	int hdr_len = sizeof(struct virtio_net_hdr_mrg_rxbuf);
	struct ifreq ifr = { 0 };
	int flags;

	if (ioctl(fd, TUNGETIFF, &ifr)) {
		tap_log("net_rkt_tap: descriptor %d is no attached tap\n", fd);
		return -EINVAL;
	}
	flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	if ((ifr.ifr_flags & flags) != flags) {
		tap_log("net_rkt_tap: tap %s lacks IFF_NO_PI or IFF_VNET_HDR\n",
			ifr.ifr_name);
		return -EINVAL;
	}
	if (ioctl(fd, TUNSETVNETHDRSZ, &hdr_len))
		return -errno;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		return -errno;
	return 0;
}

static struct rte_intr_handle *tap_make_intr(void)
{
	int queues = (int)the_tap.queues;
	struct rte_intr_handle *intr;

	intr = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
	if (!intr)
		return NULL;
	if (rte_intr_type_set(intr, RTE_INTR_HANDLE_VDEV) ||
	    rte_intr_nb_efd_set(intr, queues) ||
	    rte_intr_vec_list_alloc(intr, NULL, queues))
		goto fail;
	for (int i = 0; i < queues; i++)
		if (rte_intr_efds_index_set(intr, i, the_tap.fd[i]) ||
		    rte_intr_vec_list_index_set(intr, i, RTE_INTR_VEC_RXTX_OFFSET + i))
			goto fail;
	return intr;

fail:
	rte_intr_instance_free(intr);
	return NULL;
}

const struct rt_tap_path *rt_tap_path;

int rt_tap_attach(const struct rt_net_config *config, uint16_t *ret_port)
{
	static struct ethdev_ops ops;
	struct ethdev_port port = {
		.driver = RT_TAP_DRIVER,
		.mac = config->mac,
		.ops = &ops,
		.rx_burst = tap_rx_burst,
		.tx_burst = tap_tx_burst,
	};
	struct rte_eth_dev *dev;
	int err = 0;

	the_tap.queues = config->queues;
	the_tap.fd[0] = config->fd;
	for (unsigned int i = 1; i < config->queues; i++)
		the_tap.fd[i] = config->more_fds[i - 1];
	for (unsigned int i = 0; i < config->queues && !err; i++)
		err = tap_prepare_fd(the_tap.fd[i]);
	if (err)
		return err;
	ops = tap_ops();
	port.intr = tap_make_intr();
	if (!port.intr)
		return -ENOMEM;
	err = ethdev_make(&port, &dev);
	if (err)
		return err;
	dev->process_private = &the_tap;
	rte_eth_dev_probing_finish(dev);
	*ret_port = dev->data->port_id;
	return 0;
}

void rt_tap_stats(struct rt_tap_stats *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (unsigned int i = 0; i < TAP_QUEUES; i++) {
		const struct tap_rxq *rxq = &the_tap.rxq[i];
		const struct tap_txq *txq = &the_tap.txq[i];

		ret->reads += rxq->reads;
		ret->reads_empty += rxq->empty;
		ret->rx_errors += rxq->errors;
		ret->writes += txq->writes;
		ret->tx_full += txq->full;
		ret->tx_errors += txq->errors;
	}
}
