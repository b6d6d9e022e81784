// SPDX-License-Identifier: GPL-2.0-only
/*
 * The network device of the library OS, over the one DPDK port that the
 * runtime drives (asm/runtime_net.h): set-up and control.
 */
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/init.h>
#include <linux/slab.h>
#include <asm/hostcall_entry.h>
#include "rktio_net.h"

static int rktio_net_open(struct net_device *dev)
{
	struct rktio_net *net = netdev_priv(dev);

	/* From up on NAPI may be scheduled, as soon as it is enabled. */
	WRITE_ONCE(net->queue.up, true);
	napi_enable(&net->queue.napi);
	netif_tx_start_all_queues(dev);
	netif_carrier_on(dev);
	return 0;
}

static int rktio_net_stop(struct net_device *dev)
{
	struct rktio_net *net = netdev_priv(dev);

	netif_carrier_off(dev);
	netif_tx_disable(dev);
	napi_disable(&net->queue.napi);
	WRITE_ONCE(net->queue.up, false);
	return 0;
}

static int rktio_net_change_mtu(struct net_device *dev, int mtu)
{
	unsigned int bytes = mtu;
	long err = libos_hostcall(rt_net_set_mtu, &bytes);

	if (err)
		return err;
	WRITE_ONCE(dev->mtu, mtu);
	return 0;
}

static const struct net_device_ops rktio_net_ops = {
	.ndo_open		= rktio_net_open,
	.ndo_stop		= rktio_net_stop,
	.ndo_start_xmit		= rktio_net_xmit,
	.ndo_change_mtu		= rktio_net_change_mtu,
	.ndo_set_mac_address	= eth_mac_addr,
	.ndo_validate_addr	= eth_validate_addr,
};

static void rktio_net_drvinfo(struct net_device *dev, struct ethtool_drvinfo *info)
{
	struct rktio_net *net = netdev_priv(dev);

	strscpy(info->driver, "rktio_net", sizeof(info->driver));
	strscpy(info->bus_info, net->info->driver, sizeof(info->bus_info));
}

static const struct ethtool_ops rktio_net_ethtool = {
	.get_drvinfo	= rktio_net_drvinfo,
	.get_link	= ethtool_op_get_link,
	.get_ts_info	= ethtool_op_get_ts_info,
};

static bool rktio_net_poll(struct libos_poller *poller)
{
	struct rktio_net *net = container_of(poller, struct rktio_net, poller);

	return rktio_net_look(&net->queue);
}

static bool rktio_net_arm(struct libos_poller *poller)
{
	struct rktio_net *net = container_of(poller, struct rktio_net, poller);
	unsigned int index = net->queue.rx->queue;

	if (READ_ONCE(net->queue.tx_waiting))
		return true;
	if (net->info->event_is_level)
		return false;	/* as long as frames wait, there is no sleep */
	if (libos_hostcall(rt_net_arm, &index))
		return true;	/* no event: keep polling */
	return rktio_net_look(&net->queue);
}

static netdev_features_t port_features(const struct rt_net_info *info)
{
	netdev_features_t features = NETIF_F_HIGHDMA;

	if (info->tx_sg)
		features |= NETIF_F_SG;
	if (info->tx_csum)
		features |= NETIF_F_HW_CSUM;
	if (info->tx_tso)
		features |= NETIF_F_TSO | NETIF_F_TSO6;
	if (info->rx_csum)
		features |= NETIF_F_RXCSUM;
	return features;
}

static void setup_dev(struct net_device *dev, const struct rt_net_info *info)
{
	dev->netdev_ops = &rktio_net_ops;
	dev->ethtool_ops = &rktio_net_ethtool;
	dev->hw_features = port_features(info);
	dev->features = dev->hw_features;
	dev->vlan_features = dev->hw_features;
	dev->priv_flags |= IFF_LIVE_ADDR_CHANGE;
	dev->pcpu_stat_type = NETDEV_PCPU_STAT_TSTATS;
	dev->mtu = info->mtu;
	dev->min_mtu = info->mtu_min;
	dev->max_mtu = info->mtu_max;
	eth_hw_addr_set(dev, info->mac);
	netif_carrier_off(dev);
}

static int setup_queue(struct rktio_net_queue *q, struct net_device *dev)
{
	q->dev = dev;
	spin_lock_init(&q->rx_lock);
	q->rx = kzalloc(sizeof(*q->rx), GFP_KERNEL);
	q->tx = kzalloc(sizeof(*q->tx), GFP_KERNEL);
	q->rx_drained = true;
	if (!q->rx || !q->tx)
		return -ENOMEM;
	netif_napi_add(dev, &q->napi, rktio_net_napi);
	return 0;
}

static int __init rktio_net_init(void)
{
	const struct rt_net_info *info = rt_net_info;
	struct net_device *dev;
	struct rktio_net *net;
	int err;

	if (!info)
		return 0;
	dev = alloc_etherdev(sizeof(*net));
	if (!dev)
		return -ENOMEM;
	net = netdev_priv(dev);
	net->info = info;
	setup_dev(dev, info);
	err = setup_queue(&net->queue, dev);
	if (err)
		goto free;
	err = register_netdev(dev);
	if (err)
		goto free;
	net->poller.name = "net";
	net->poller.poll = rktio_net_poll;
	net->poller.arm = rktio_net_arm;
	libos_poller_register(&net->poller);
	return 0;

free:
	kfree(net->queue.rx);
	kfree(net->queue.tx);
	free_netdev(dev);
	return err;
}
device_initcall(rktio_net_init);
