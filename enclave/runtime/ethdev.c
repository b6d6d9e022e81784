// SPDX-License-Identifier: GPL-2.0-only
/* What our drivers of DPDK have in common: a port that delivers every frame and lives for ever. */
#include <errno.h>

#include <rte_log.h>
#include <rte_malloc.h>

#include "ethdev.h"

static int nothing(struct rte_eth_dev *dev)
{
	(void)dev;
	return 0;
}

void ethdev_set_link(struct rte_eth_dev *dev, bool up)
{
	dev->data->dev_link = (struct rte_eth_link){
		.link_speed = RTE_ETH_SPEED_NUM_10G,
		.link_duplex = RTE_ETH_LINK_FULL_DUPLEX,
		.link_autoneg = RTE_ETH_LINK_FIXED,
		.link_status = up,
	};
}

static int link_stays(struct rte_eth_dev *dev, int wait)
{
	(void)dev;
	(void)wait;
	return 0;
}

static int mac_set(struct rte_eth_dev *dev, struct rte_ether_addr *mac)
{
	(void)dev;
	(void)mac;	/* every frame is delivered */
	return 0;
}

static int mtu_set(struct rte_eth_dev *dev, uint16_t mtu)
{
	(void)dev;
	return mtu <= ETHDEV_MTU_MAX ? 0 : -EINVAL;
}

static void queue_release(struct rte_eth_dev *dev, uint16_t queue)
{
	(void)dev;
	(void)queue;
}

static int queue_nothing(struct rte_eth_dev *dev, uint16_t queue)
{
	(void)dev;
	(void)queue;
	return 0;
}

const struct ethdev_ops ethdev_common_ops = {
	.configure = nothing,
	.stop = nothing,
	.link_up = nothing,
	.link_down = nothing,
	.close = nothing,
	.link_update = link_stays,
	.promiscuous_enable = nothing,
	.promiscuous_disable = nothing,
	.allmulticast_enable = nothing,
	.allmulticast_disable = nothing,
	.mac_set = mac_set,
	.mtu_set = mtu_set,
	.rx_queue_release = queue_release,
	.rx_intr_enable = queue_nothing,
	.rx_intr_disable = queue_nothing,
	.tx_queue_release = queue_release,
};

void ethdev_fill_info(struct rte_eth_dev_info *info, unsigned int queues, uint16_t ring,
		      uint16_t segs_max)
{
	info->max_rx_queues = (uint16_t)queues;
	info->max_tx_queues = (uint16_t)queues;
	info->max_mac_addrs = 1;
	info->min_mtu = RTE_ETHER_MIN_MTU;
	info->max_mtu = ETHDEV_MTU_MAX;
	info->max_rx_pktlen = ETHDEV_MTU_MAX + RTE_ETHER_HDR_LEN;
	info->max_lro_pkt_size = ETHDEV_FRAME_MAX;
	info->rx_offload_capa = RTE_ETH_RX_OFFLOAD_SCATTER | RTE_ETH_RX_OFFLOAD_TCP_CKSUM |
				RTE_ETH_RX_OFFLOAD_UDP_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_LRO;
	info->tx_offload_capa = RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_TCP_CKSUM |
				RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_TSO;
	info->tx_desc_lim.nb_seg_max = segs_max;
	info->tx_desc_lim.nb_mtu_seg_max = segs_max;
	info->default_rxportconf.ring_size = ring;
	info->default_txportconf.ring_size = ring;
	info->default_rxportconf.nb_queues = 1;
	info->default_txportconf.nb_queues = 1;
}

/* Fields that DPDK has filled in stand where we look. */
static bool check_abi(const struct rte_eth_dev *dev, const char *name)
{
	return dev == rte_eth_dev_allocated(name) && dev->data &&
	       !strcmp(dev->data->name, name) &&
	       dev->data->mtu == RTE_ETHER_MTU &&
	       dev->data->backer_port_id == RTE_MAX_ETHPORTS;
}

int ethdev_make(const struct ethdev_port *port, struct rte_eth_dev **ret)
{
	static struct rte_driver driver;
	static struct rte_device device = { .driver = &driver };
	struct rte_eth_dev *dev = rte_eth_dev_allocate(port->driver);

	if (!dev)
		return -ENOMEM;
	if (!check_abi(dev, port->driver)) {
		rte_log(RTE_LOG_ERR, RTE_LOGTYPE_PMD, "%s: built for another version of DPDK\n",
			port->driver);
		rte_eth_dev_release_port(dev);
		return -ENOTSUP;
	}
	dev->data->mac_addrs = rte_zmalloc(NULL, sizeof(struct rte_ether_addr), 0);
	if (!dev->data->mac_addrs) {
		rte_eth_dev_release_port(dev);
		return -ENOMEM;
	}
	memcpy(dev->data->mac_addrs, port->mac, sizeof(struct rte_ether_addr));
	driver.name = port->driver;
	device.name = port->driver;
	dev->data->promiscuous = 1;
	dev->data->numa_node = SOCKET_ID_ANY;
	dev->device = &device;
	dev->intr_handle = port->intr;
	dev->dev_ops = port->ops;
	dev->rx_burst = port->rx_burst;
	dev->tx_burst = port->tx_burst;
	*ret = dev;
	return 0;
}
