// SPDX-License-Identifier: GPL-2.0-only
/*
 * The network device of the library OS, over the one DPDK port that the
 * runtime drives (asm/runtime_net.h): set-up and control.
 */
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/init.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <asm/hostcall_entry.h>
#include "rktio_net.h"

static int rktio_net_open(struct net_device *dev)
{
	struct rktio_net *net = netdev_priv(dev);

	unsigned int i;

	/* From up on NAPI may be scheduled, as soon as it is enabled. */
	for (i = 0; i < net->queues; i++) {
		WRITE_ONCE(net->queue[i].up, true);
		napi_enable(&net->queue[i].napi);
	}
	netif_tx_start_all_queues(dev);
	return 0;
}

static int rktio_net_stop(struct net_device *dev)
{
	struct rktio_net *net = netdev_priv(dev);

	unsigned int i;

	netif_tx_disable(dev);
	for (i = 0; i < net->queues; i++) {
		napi_disable(&net->queue[i].napi);
		WRITE_ONCE(net->queue[i].up, false);
	}
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

/* The other end came, or went. */
static void follow_carrier(struct rktio_net *net)
{
	bool carrier = READ_ONCE(*net->info->carrier);

	if (likely(carrier == READ_ONCE(net->carrier)))
		return;
	WRITE_ONCE(net->carrier, carrier);
	if (carrier)
		netif_carrier_on(net->dev);
	else
		netif_carrier_off(net->dev);
}

/* This CPU's queue first; when it has nothing, what others have not taken. */
static bool rktio_net_poll(struct libos_poller *poller)
{
	struct rktio_net *net = container_of(poller, struct rktio_net, poller);
	unsigned int own = raw_smp_processor_id() % net->queues, i;
	bool found = rktio_net_look(&net->queue[own]);

	for (i = 0; !found && i < net->queues; i++)
		if (i != own)
			found = rktio_net_look(&net->queue[i]);
	follow_carrier(net);
	return found;
}

static bool arm_queue(struct rktio_net *net, struct rktio_net_queue *q)
{
	unsigned int index = q->rx->queue;

	if (READ_ONCE(q->tx_waiting))
		return true;
	if (net->info->event_is_level)
		return false;	/* as long as frames wait, there is no sleep */
	if (libos_hostcall(rt_net_arm, &index))
		return true;	/* no event: keep polling */
	return rktio_net_look(q);
}

static bool rktio_net_arm(struct libos_poller *poller)
{
	struct rktio_net *net = container_of(poller, struct rktio_net, poller);
	bool found = false;
	unsigned int i;

	for (i = 0; i < net->queues; i++)
		found |= arm_queue(net, &net->queue[i]);
	follow_carrier(net);
	return found;
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

static int setup_queue(struct rktio_net_queue *q, struct net_device *dev, unsigned int index)
{
	q->dev = dev;
	spin_lock_init(&q->rx_lock);
	q->rx = kzalloc(sizeof(*q->rx), GFP_KERNEL);
	q->tx = kzalloc(sizeof(*q->tx), GFP_KERNEL);
	q->rx_drained = true;
	if (!q->rx || !q->tx)
		return -ENOMEM;
	q->rx->queue = index;
	q->tx->queue = index;
	netif_napi_add(dev, &q->napi, rktio_net_napi);
	return 0;
}

/* What a CPU sends goes to its own queue, and the answers come back on it. */
static void __init steer(struct rktio_net *net)
{
	unsigned int i, cpu;

	for (i = 0; net->queues > 1 && i < net->queues; i++) {
		cpumask_var_t cpus;

		if (!zalloc_cpumask_var(&cpus, GFP_KERNEL))
			return;
		for_each_possible_cpu(cpu)
			if (cpu % net->queues == i)
				cpumask_set_cpu(cpu, cpus);
		netif_set_xps_queue(net->dev, cpus, i);
		free_cpumask_var(cpus);
	}
}

/* The stack's own offloads, which a device gets whether it asks or not. */
static void __init do_without(struct rktio_net *net)
{
	rtnl_lock();
	if (net->info->without_gso)
		net->dev->wanted_features &= ~NETIF_F_GSO;
	if (net->info->without_gro)
		net->dev->wanted_features &= ~NETIF_F_GRO;
	netdev_update_features(net->dev);
	rtnl_unlock();
}

static int __init rktio_net_init(void)
{
	const struct rt_net_info *info = rt_net_info;
	struct net_device *dev;
	struct rktio_net *net;
	unsigned int i;
	int err = 0;

	if (!info)
		return 0;
	dev = alloc_etherdev_mqs(struct_size(net, queue, info->queues), info->queues, info->queues);
	if (!dev)
		return -ENOMEM;
	net = netdev_priv(dev);
	net->info = info;
	net->dev = dev;
	net->queues = info->queues;
	setup_dev(dev, info);
	for (i = 0; i < net->queues && !err; i++)
		err = setup_queue(&net->queue[i], dev, i);
	if (err)
		goto free;
	err = register_netdev(dev);
	if (err)
		goto free;
	follow_carrier(net);
	steer(net);
	do_without(net);
	net->poller.name = "net";
	net->poller.poll = rktio_net_poll;
	net->poller.arm = rktio_net_arm;
	libos_poller_register(&net->poller);
	return 0;

free:
	for (i = 0; i < net->queues; i++) {
		kfree(net->queue[i].rx);
		kfree(net->queue[i].tx);
	}
	free_netdev(dev);
	return err;
}
device_initcall(rktio_net_init);
