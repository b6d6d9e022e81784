/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A disk behind vhost-user: what the enclave and its attendant on the host
 * agree on. The attendant (rktio/host/attendant.py) speaks vhost-user with the
 * back end; the enclave has the rings. Between them is a socket of packets:
 *
 *   attendant -> enclave   struct vhost_disk_news; with the first one come, as
 *                          SCM_RIGHTS, the memory, then kick and call of each
 *                          queue
 *   enclave -> attendant   one byte, VHOST_DISK_READY or VHOST_DISK_LIAR
 *
 * The first news is UP. When the back end goes, DOWN follows; the enclave
 * zeroes the rings and says READY; the attendant waits for a back end, hands it
 * the same memory and eventfds, and says UP. LIAR ends it all.
 *
 * rktio/host reads the numbers too: keep one #define per line.
 */
#ifndef ABI_VHOST_DISK_H
#define ABI_VHOST_DISK_H

#define VHOST_DISK_UP		1
#define VHOST_DISK_DOWN		2
#define VHOST_DISK_READY	82	/* 'R' */
#define VHOST_DISK_LIAR		76	/* 'L' */

#define VHOST_DISK_QUEUES_MAX	64
#define VHOST_DISK_ENTRIES	256	/* descriptors per queue */

/* Where the device sees the memory; and in it, each queue's part. */
#define VHOST_DISK_GUEST_BASE	0x100000000
#define VHOST_DISK_QUEUE_BYTES	0x1200000	/* 18 MiB, a multiple of huge pages */
#define VHOST_DISK_DESC		0x0
#define VHOST_DISK_AVAIL	0x1000
#define VHOST_DISK_USED		0x2000
#define VHOST_DISK_META		0x4000		/* per descriptor: headers and status */
#define VHOST_DISK_META_BYTES	64
#define VHOST_DISK_DATA		0x200000	/* per descriptor: a buffer */
#define VHOST_DISK_BUFFER_BYTES	0x10000

/* The fields of struct virtio_blk_config (virtio 1.2, 5.2.4) up to write_zeroes_may_unmap. */
#define VHOST_DISK_CONFIG_BYTES	60

struct vhost_disk_news {
	unsigned int kind;
	unsigned int queues;
	unsigned long long features;	/* UP: what was agreed on */
	unsigned char config[VHOST_DISK_CONFIG_BYTES];
	unsigned char padding[4];
};

/*
 * The bits of virtio that the enclave can use. Not CONFIG_WCE: qemu-storage-daemon
 * offers it with a cache that it calls write-through and is not.
 *   1 SIZE_MAX  2 SEG_MAX  5 RO  6 BLK_SIZE  9 FLUSH  10 TOPOLOGY  12 MQ
 *   13 DISCARD  14 WRITE_ZEROES  29 EVENT_IDX  32 VERSION_1
 */
#define VHOST_DISK_FEATURES	0x120007666

#endif /* ABI_VHOST_DISK_H */
