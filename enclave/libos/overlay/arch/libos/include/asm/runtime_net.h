/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The network between the library kernel and the runtime, which drives one
 * DPDK ethdev. Included by both, so only C's own types.
 *
 * Every function with a `void *` argument and a `long` result runs libc and
 * DPDK code: the kernel enters it through libos_hostcall(), once per burst.
 * Payload is copied once between private memory and the DMA region, on
 * sending by rt_net_tx() and on receiving by the kernel.
 */
#ifndef _ASM_RUNTIME_NET_H
#define _ASM_RUNTIME_NET_H

enum {
	RT_NET_BURST = 32,		/* frames in one crossing */
	RT_NET_SEGS = 256,		/* segments in one crossing */
	RT_NET_FRAME_MAX = 65536 + 64,	/* bytes; a super-frame and its headers */
	RT_NET_QUEUES_MAX = 8,
};

enum rt_net_csum {
	RT_NET_CSUM_NONE,	/* send: complete; received: not verified */
	RT_NET_CSUM_PARTIAL,	/* only the pseudo header is summed up yet */
	RT_NET_CSUM_VALID,	/* received: verified */
};

enum rt_net_gso {
	RT_NET_GSO_NONE,
	RT_NET_GSO_TCPV4,
	RT_NET_GSO_TCPV6,
};

/*
 * Offsets count from the start of the frame. l3_start and those of the
 * checksum are set when csum is PARTIAL, l4_len too when gso is not NONE (which
 * implies PARTIAL). The checksum is TCP's or UDP's.
 */
struct rt_net_offload {
	unsigned char csum;		/* enum rt_net_csum */
	unsigned char gso;		/* enum rt_net_gso */
	unsigned char ipv6;
	unsigned char l4_len;		/* bytes of the TCP header */
	unsigned short gso_bytes;	/* payload of each segment */
	unsigned short l3_start;
	unsigned short csum_start;
	unsigned short csum_offset;	/* from csum_start */
};

struct rt_net_seg {
	void *addr;
	unsigned int len;
};

struct rt_net_frame {
	struct rt_net_offload offload;
	unsigned int len;		/* all segments together */
	unsigned short first_seg;	/* index into the burst's seg[] */
	unsigned short segs;
};

struct rt_net_burst {
	unsigned short queue;
	unsigned short count;		/* frames */
	unsigned short seg_count;
	unsigned short waiting;		/* out: frames the device has no room for yet */
	struct rt_net_frame frame[RT_NET_BURST];
	struct rt_net_seg seg[RT_NET_SEGS];
};

/*
 * Copy the frames of the burst and hand them to the device. All frames are
 * taken. burst->waiting is what the device had no room for: send nothing more
 * until a call (with count = 0, say) brings it down to 0. Returns 0.
 */
long rt_net_tx(void *burst);

/*
 * Receive up to burst->count frames. They stay readable until the next call
 * for the same queue, which takes them back. Returns the number of frames;
 * fewer than asked means that the device had no more.
 */
long rt_net_rx(void *burst);

/*
 * Arm the event of queue *(unsigned int *)queue, so that the descriptor given
 * to rt_wait_add() becomes readable when a frame arrives. Look once more after
 * this before going to sleep. Returns 0 or a negative errno.
 */
long rt_net_arm(void *queue);

/* Tell the device the MTU *(unsigned int *)mtu. Returns 0 or a negative errno. */
long rt_net_set_mtu(void *mtu);

struct rt_net_info {
	const char *driver;		/* DPDK's name of the PMD */
	unsigned char mac[6];
	unsigned char tx_csum;		/* TCP and UDP, IPv4 and IPv6 */
	unsigned char tx_sg;
	unsigned char tx_tso;
	unsigned char rx_csum;
	unsigned char event_is_level;	/* readable while frames wait: need not be armed */
	unsigned int mtu;
	unsigned int mtu_min;
	unsigned int mtu_max;
	unsigned int queues;
	/* Whether somebody is at the other end; changes at any time. */
	const unsigned char *carrier;
	/* Not wanted of the stack, to measure. */
	unsigned char without_gso;
	unsigned char without_gro;
};

/* The port, or NULL when there is none; set before the kernel starts. */
extern const struct rt_net_info *rt_net_info;

struct rt_net_stats {
	unsigned long tx_packets;
	unsigned long tx_bytes;
	unsigned long tx_dropped;	/* no memory, or refused by the device */
	unsigned long tx_full;		/* times the device had no room */
	unsigned long rx_packets;
	unsigned long rx_bytes;
	unsigned long rx_dropped;	/* malformed, or no memory */
	unsigned long tx_crossings;
	unsigned long rx_crossings;
	unsigned long host_writes;
	unsigned long host_reads;
	unsigned long host_reads_empty;
	/* A port over shared memory, and what host calls it makes all the same. */
	unsigned char direct;
	unsigned long kicks;
	unsigned long link_checks;
	unsigned long connects;
	unsigned long yields;
	unsigned int queues;
	unsigned long tx_queue[RT_NET_QUEUES_MAX];	/* packets of each */
	unsigned long rx_queue[RT_NET_QUEUES_MAX];
};

void rt_net_stats(struct rt_net_stats *ret);

#endif /* _ASM_RUNTIME_NET_H */
