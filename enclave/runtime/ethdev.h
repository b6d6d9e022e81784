/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a driver must know of DPDK 22.11's inside, and what ours have in common.
 *
 * Debian's libdpdk-dev ships the libraries with their driver interface but not
 * ethdev_driver.h and bus_vdev_driver.h, which declare it. Only the members
 * that our drivers uses have their own names here; the layout is that of the 22.11
 * LTS branch, where it is frozen. our drivers checks it against a port that DPDK
 * filled in (ethdev_make()), and refuses to start when it does not fit.
 */
#ifndef RT_ETHDEV_H
#define RT_ETHDEV_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/queue.h>

#include <rte_ethdev.h>
#include <rte_version.h>

#if RTE_VER_YEAR != 22 || RTE_VER_MONTH != 11
#error "ethdev.h describes DPDK 22.11 (Debian 12); describe this version before using it"
#endif

struct rte_driver {
	TAILQ_ENTRY(rte_driver) next;
	const char *name;
	const char *alias;
};

struct rte_device {
	TAILQ_ENTRY(rte_device) next;
	const char *name;
	const char *bus_info;
	const struct rte_driver *driver;
	const struct rte_bus *bus;
	int numa_node;
	struct rte_devargs *devargs;
};

struct rte_eth_dev;
typedef int ethdev_op(struct rte_eth_dev *dev);
typedef int ethdev_queue_op(struct rte_eth_dev *dev, uint16_t queue);

/* struct eth_dev_ops: one pointer for each operation, in this order. */
struct ethdev_ops {
	ethdev_op *configure;				/* 0 */
	ethdev_op *start;
	ethdev_op *stop;
	ethdev_op *link_up;
	ethdev_op *link_down;
	ethdev_op *close;
	void *reset;
	int (*link_update)(struct rte_eth_dev *dev, int wait);
	void *is_removed;
	ethdev_op *promiscuous_enable;
	ethdev_op *promiscuous_disable;			/* 10 */
	ethdev_op *allmulticast_enable;
	ethdev_op *allmulticast_disable;
	void *mac_remove_add[2];
	int (*mac_set)(struct rte_eth_dev *dev, struct rte_ether_addr *mac);
	void *set_multicast_list;
	int (*mtu_set)(struct rte_eth_dev *dev, uint16_t mtu);
	int (*stats_get)(struct rte_eth_dev *dev, struct rte_eth_stats *stats);
	ethdev_op *stats_reset;
	void *xstats[4];				/* 20 */
	int (*infos_get)(struct rte_eth_dev *dev, struct rte_eth_dev_info *info);
	void *queue_info[5];
	const uint32_t *(*supported_ptypes)(struct rte_eth_dev *dev);	/* 30 */
	void *ptypes_set;
	void *vlan[5];
	void *queue_start_stop[4];
	int (*rx_queue_setup)(struct rte_eth_dev *dev, uint16_t queue,
			      uint16_t descriptors, unsigned int socket,
			      const struct rte_eth_rxconf *conf,
			      struct rte_mempool *pool);	/* 41 */
	void (*rx_queue_release)(struct rte_eth_dev *dev, uint16_t queue);
	ethdev_queue_op *rx_intr_enable;
	ethdev_queue_op *rx_intr_disable;
	int (*tx_queue_setup)(struct rte_eth_dev *dev, uint16_t queue,
			      uint16_t descriptors, unsigned int socket,
			      const struct rte_eth_txconf *conf);
	void (*tx_queue_release)(struct rte_eth_dev *dev, uint16_t queue);
	void *unused[128];	/* at least as many as DPDK may look at */
};

struct rte_eth_dev_data {
	char name[RTE_ETH_NAME_MAX_LEN];
	void **rx_queues;
	void **tx_queues;
	uint16_t nb_rx_queues;
	uint16_t nb_tx_queues;
	uint16_t sriov[3];
	void *dev_private;
	struct rte_eth_link dev_link;
	struct rte_eth_conf dev_conf;
	uint16_t mtu;
	uint32_t min_rx_buf_size;
	uint64_t rx_mbuf_alloc_failed;
	struct rte_ether_addr *mac_addrs;
	uint64_t mac_pool_sel[RTE_ETH_NUM_RECEIVE_MAC_ADDR];
	struct rte_ether_addr *hash_mac_addrs;
	uint16_t port_id;
	uint8_t promiscuous : 1,
		scattered_rx : 1,
		flags : 6;
	uint8_t rx_queue_state[RTE_MAX_QUEUES_PER_PORT];
	uint8_t tx_queue_state[RTE_MAX_QUEUES_PER_PORT];
	uint32_t dev_flags;
	int numa_node;
	struct rte_vlan_filter_conf vlan_filter;
	struct rte_eth_dev_owner owner;
	uint16_t representor_id;
	uint16_t backer_port_id;
	pthread_mutex_t flow_ops_mutex;
} __rte_cache_aligned;

struct rte_eth_dev {
	uint16_t (*rx_burst)(void *queue, struct rte_mbuf **mbufs, uint16_t n);
	uint16_t (*tx_burst)(void *queue, struct rte_mbuf **mbufs, uint16_t n);
	void *tx_prepare;
	void *descriptors[3];
	struct rte_eth_dev_data *data;
	void *process_private;
	const struct ethdev_ops *dev_ops;
	struct rte_device *device;
	struct rte_intr_handle *intr_handle;
	/* The rest belongs to DPDK, which allocates the structure. */
};

struct rte_eth_dev *rte_eth_dev_allocate(const char *name);
struct rte_eth_dev *rte_eth_dev_allocated(const char *name);
int rte_eth_dev_release_port(struct rte_eth_dev *dev);
void rte_eth_dev_probing_finish(struct rte_eth_dev *dev);

enum {
	ETHDEV_MTU_MAX = 65521,		/* 65535 - Ethernet header */
	ETHDEV_FRAME_MAX = 65536 + 64,
};

/* One of our drivers' port; there is one in a process. */
struct ethdev_port {
	const char *driver;		/* the port's name, too */
	const uint8_t *mac;
	const struct ethdev_ops *ops;
	struct rte_intr_handle *intr;	/* NULL: none */
	uint16_t (*rx_burst)(void *queue, struct rte_mbuf **mbufs, uint16_t n);
	uint16_t (*tx_burst)(void *queue, struct rte_mbuf **mbufs, uint16_t n);
};

/* What all ports do alike; a driver copies it and puts in what is its own. */
extern const struct ethdev_ops ethdev_common_ops;

/* For infos_get: offloads and limits that are the same for all. */
void ethdev_fill_info(struct rte_eth_dev_info *info, unsigned int queues, uint16_t ring,
		      uint16_t segs_max);

void ethdev_set_link(struct rte_eth_dev *dev, bool up);

/*
 * Make the port; rte_eth_dev_probing_finish() completes it. Returns 0, or
 * -errno with a reason logged.
 */
int ethdev_make(const struct ethdev_port *port, struct rte_eth_dev **ret);

#endif /* RT_ETHDEV_H */
