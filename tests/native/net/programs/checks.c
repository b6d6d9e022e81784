// SPDX-License-Identifier: Apache-2.0
/* One check per run: `checks NAME`; 0 when it holds, else 1 and a line that says why. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../../../../enclave/runtime/eal.h"
#include "link.h"
#include "tcp.h"

static struct wire_frame frame;

/* A UDP socket of the host, bound to its address and @port. */
static int host_udp(bool ipv6, uint16_t port)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct timeval patience = { .tv_sec = 1 };
	int fd = socket(ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	link_check(!bind(fd, ipv6 ? (void *)&v6 : (void *)&v4,
			 ipv6 ? sizeof(v6) : sizeof(v4)));
	link_check(!setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)));
	return fd;
}

static void host_send(int fd, bool ipv6, uint16_t port, const void *data, size_t len)
{
	struct sockaddr_in6 v6 = {
		.sin6_family = AF_INET6, .sin6_port = htons(port),
		.sin6_addr.s6_addr = { 0xfd, 9, [15] = 1 },
	};
	struct sockaddr_in v4 = {
		.sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(0x0a090001),
	};

	link_check(sendto(fd, data, len, 0, ipv6 ? (void *)&v6 : (void *)&v4,
			  ipv6 ? sizeof(v6) : sizeof(v4)) == (ssize_t)len);
}

static void send_udp(const struct wire_flow *flow, const void *data, size_t len)
{
	uint8_t headers[WIRE_HEADERS_MAX];
	struct rt_net_offload offload;
	size_t n = wire_put_udp(headers, flow, len, &offload);

	link_send(headers, n, data, len, 1, &offload);
}

/* A datagram each way; what the host receives it has summed. */
static void check_udp(bool ipv6)
{
	struct wire_flow flow = { .ipv6 = ipv6, .port = 5000, .host_port = 6000 };
	char reply[16] = { 0 };
	int fd = host_udp(ipv6, 6000);

	host_send(fd, ipv6, 5000, "question", 8);
	link_receive_of(&flow, IPPROTO_UDP, &frame);
	link_check(frame.len - wire_payload(&frame) == 8);
	link_check(!memcmp(frame.data + wire_payload(&frame), "question", 8));
	link_check(frame.offload.csum == RT_NET_CSUM_PARTIAL);
	link_check(frame.offload.csum_offset == 6 && wire_has_pseudo_sum(&frame));
	link_check(frame.offload.gso == RT_NET_GSO_NONE);

	send_udp(&flow, "answer", 6);
	link_check(recv(fd, reply, sizeof(reply), 0) == 6);
	link_check(!strcmp(reply, "answer"));
}

static void udp4(void)
{
	check_udp(false);
}

static void udp6(void)
{
	check_udp(true);
}

/* A frame that claims to be complete but is not: the host must refuse it. */
static void wrong_sum(void)
{
	struct wire_flow flow = { .port = 5000, .host_port = 6000 };
	struct rt_net_offload offload = { .csum = RT_NET_CSUM_NONE };
	uint8_t headers[WIRE_HEADERS_MAX];
	struct rt_net_offload unused;
	char reply[16];
	int fd = host_udp(false, 6000);
	size_t n = wire_put_udp(headers, &flow, 4, &unused);

	link_send(headers, n, "nope", 4, 1, &offload);
	send_udp(&flow, "good", 4);
	link_check(recv(fd, reply, sizeof(reply), 0) == 4);
	link_check(!memcmp(reply, "good", 4));
}

static void arp(void)
{
	static const uint8_t request[42] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 9, 1, 8, 6,
		0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 9, 1, 10, 9, 0, 1,
		0, 0, 0, 0, 0, 0, 10, 9, 0, 254,
	};
	struct rt_net_offload none = { .csum = RT_NET_CSUM_NONE };

	link_send(request, sizeof(request), NULL, 0, 1, &none);
	do
		link_check(link_receive(&frame));
	while (wire_get16(frame.data + 12) != 0x0806);
	link_check(wire_get16(frame.data + 20) == 2);
	link_check(!memcmp(frame.data + 22, wire_host_mac, 6));
	link_check(frame.offload.csum == RT_NET_CSUM_NONE);
}

static void ping(void)
{
	uint8_t echo[14 + 20 + 8 + 32];
	struct wire_flow flow = { .port = 1, .host_port = 1 };
	struct rt_net_offload none = { .csum = RT_NET_CSUM_NONE }, unused;
	uint8_t *icmp = echo + 34;

	wire_put_udp(echo, &flow, 32, &unused);
	echo[23] = IPPROTO_ICMP;
	wire_set16(echo + 24, 0);
	wire_set16(echo + 24, (uint16_t)~wire_sum(echo + 14, 20, 0));
	memset(icmp, 0x5a, 40);
	wire_set16(icmp, 8 << 8);
	wire_set16(icmp + 2, 0);
	wire_set16(icmp + 2, (uint16_t)~wire_sum(icmp, 40, 0));
	link_send(echo, sizeof(echo), NULL, 0, 1, &none);
	do
		link_check(link_receive(&frame));
	while (wire_get16(frame.data + 12) != 0x0800 || frame.data[23] != IPPROTO_ICMP);
	link_check(frame.data[34] == 0);
	link_check(!memcmp(frame.data + 42, icmp + 8, 32));
	link_check(wire_sum(frame.data + 34, 40, 0) == 0xffff);
}

static void report(const char *what, const struct tcp_result *result)
{
	printf("%s: %u frames, %u of them super-frames\n", what,
	       result->frames, result->super_frames);
}

static void check_send(bool ipv6, unsigned int pieces)
{
	struct tcp_result result;
	struct rt_net_stats stats;

	tcp_send_stream(ipv6, pieces, &result);
	report("sent", &result);
	rt_net_stats(&stats);
	link_check(result.super_frames > TCP_STREAM_BYTES / TCP_SUPER_BYTES / 2);
	/* One host call for each frame, and nothing lost. */
	link_check(stats.host_writes == stats.tx_packets);
	link_check(!stats.tx_dropped && !stats.tx_full);
}

static void tcp4_send(void)
{
	check_send(false, 1);
}

static void tcp4_send_scattered(void)
{
	check_send(false, 17);
}

static void tcp6_send(void)
{
	check_send(true, 3);
}

static void check_receive(bool ipv6)
{
	struct tcp_result result;
	struct rt_net_stats stats;

	tcp_receive_stream(ipv6, &result);
	report("received", &result);
	rt_net_stats(&stats);
	link_check(result.super_frames > 0);
	link_check(result.frames < TCP_STREAM_BYTES / 1460 / 2);
	link_check(!stats.rx_dropped);
	link_check(stats.host_reads == stats.rx_packets + stats.host_reads_empty);
}

static void tcp4_receive(void)
{
	check_receive(false);
}

static void tcp6_receive(void)
{
	check_receive(true);
}

/* A burst crosses once, and comes out complete and in order. */
static void burst(void)
{
	struct wire_flow flow = { .port = 5000, .host_port = 6000 };
	uint8_t headers[RT_NET_BURST][WIRE_HEADERS_MAX];
	uint32_t number[RT_NET_BURST], got;
	int fd = host_udp(false, 6000);
	unsigned int before = link_crossings;

	for (uint32_t i = 0; i < RT_NET_BURST; i++) {
		struct rt_net_offload offload;
		size_t n = wire_put_udp(headers[i], &flow, sizeof(i), &offload);

		number[i] = i;
		link_queue(headers[i], n, &number[i], sizeof(i), 1, &offload);
	}
	link_check(link_flush() == 0);
	link_check(link_crossings == before + 1);
	for (uint32_t i = 0; i < RT_NET_BURST; i++)
		link_check(recv(fd, &got, sizeof(got), 0) == sizeof(got) && got == i);

	for (uint32_t i = 0; i < RT_NET_BURST; i++)
		host_send(fd, false, 5000, &i, sizeof(i));
	before = link_crossings;
	for (uint32_t i = 0; i < RT_NET_BURST; i++) {
		link_receive_of(&flow, IPPROTO_UDP, &frame);
		link_check(!memcmp(frame.data + wire_payload(&frame), &i, sizeof(i)));
	}
	link_check(link_crossings <= before + 2);
}

/* A host without room: frames wait, in order, and none is lost. */
static void full(void)
{
	struct wire_flow flow = { .port = 5000, .host_port = 6000 };
	uint8_t headers[8][WIRE_HEADERS_MAX];
	uint32_t number[8], got;
	struct rt_net_stats stats;
	int fd = host_udp(false, 6000);

	for (uint32_t i = 0; i < 8; i++) {
		struct rt_net_offload offload;
		size_t n = wire_put_udp(headers[i], &flow, sizeof(i), &offload);

		number[i] = i;
		link_queue(headers[i], n, &number[i], sizeof(i), 1, &offload);
	}
	link_writes_refused = 3;
	link_check(link_flush() == 8);
	memset(number, 0xff, sizeof(number));	/* taken: ours to reuse */
	link_check(link_flush() == 8);
	link_check(link_flush() == 8);
	link_check(link_flush() == 0);
	for (uint32_t i = 0; i < 8; i++)
		link_check(recv(fd, &got, sizeof(got), 0) == sizeof(got) && got == i);
	rt_net_stats(&stats);
	link_check(stats.tx_full == 3 && !stats.tx_dropped);
}

struct lie {
	const char *what;
	struct virtio_net_hdr hdr;
	long len;
};

/* What no host should say: nothing of it reaches the kernel. */
static void lies(void)
{
	static const struct lie lie[] = {
		{ "shorter than its header", { 0 }, 5 },
		{ "shorter than an Ethernet header", { 0 }, 12 + 13 },
		{ "nothing at all", { 0 }, 0 },
		{ "longer than any frame", { 0 }, 12 + RT_NET_FRAME_MAX + 1 },
		{ "checksum behind the end",
		  { .flags = 1, .csum_start = 5000, .csum_offset = 16 }, 112 },
		{ "checksum across the end",
		  { .flags = 1, .csum_start = 34, .csum_offset = 65 }, 112 },
		{ "super-frame without checksum", { .gso_type = 1, .gso_size = 1460 }, 112 },
		{ "segments of no bytes",
		  { .flags = 1, .gso_type = 1, .csum_start = 34, .csum_offset = 16 }, 112 },
		{ "IPv6 segments of an IPv4 frame",
		  { .flags = 1, .gso_type = 4, .gso_size = 1460, .csum_start = 34,
		    .csum_offset = 16 }, 112 },
		{ "UDP super-frame never asked for",
		  { .flags = 1, .gso_type = 3, .gso_size = 1460, .csum_start = 34,
		    .csum_offset = 16 }, 112 },
		{ "unknown kind of super-frame",
		  { .flags = 1, .gso_type = 99, .gso_size = 1460, .csum_start = 34,
		    .csum_offset = 16 }, 112 },
	};
	struct wire_flow flow = { .port = 40000, .host_port = 7000 };
	static uint8_t data[12 + RT_NET_FRAME_MAX + 1];
	struct wire_tcp tcp = { .flags = WIRE_ACK };
	struct rt_net_offload unused;
	struct rt_net_stats stats;

	while (link_poll())
		;
	for (size_t i = 0; i < sizeof(lie) / sizeof(lie[0]); i++) {
		memset(data, 0, sizeof(data));
		memcpy(data, &lie[i].hdr, sizeof(lie[i].hdr));
		wire_put_tcp(data + 12, &flow, &tcp, 46, &unused);
		link_read_instead = data;
		link_read_instead_len = lie[i].len;
		link_poll();	/* may bring a frame that the host sent just now */
		rt_net_stats(&stats);
		if (stats.rx_dropped != i + 1)
			link_fail("not refused: %s", lie[i].what);
	}
	udp4();	/* and it still works */
}

/* A partial checksum that mbuf flags cannot express is finished by the driver. */
static void odd_checksum(void)
{
	static uint8_t data[12 + 14 + 50];
	struct virtio_net_hdr hdr = { .flags = 1, .csum_start = 14, .csum_offset = 10 };

	while (link_poll())
		;
	memcpy(data, &hdr, sizeof(hdr));
	wire_set16(data + 12 + 12, 0x88b5);
	for (size_t i = 0; i < 50; i++)
		data[26 + i] = (uint8_t)i;
	wire_set16(data + 26 + 10, 0);
	link_read_instead = data;
	link_read_instead_len = sizeof(data);
	link_check(link_receive(&frame));
	link_check(frame.offload.csum == RT_NET_CSUM_VALID);
	link_check(wire_sum(frame.data + 14, 50, 0) == 0xffff);
}

/* Buffers go round: many times more frames than there are buffers. */
static void no_leak(void)
{
	struct wire_flow flow = { .port = 5000, .host_port = 6000 };
	static uint8_t big[1500];
	struct rt_net_stats stats;
	int fd = host_udp(false, 6000);

	for (int i = 0; i < 5000; i++) {
		send_udp(&flow, big, i % 1400);
		host_send(fd, false, 5000, big, 1 + i % 1400);
		link_receive_of(&flow, IPPROTO_UDP, &frame);
	}
	rt_net_stats(&stats);
	link_check(!stats.tx_dropped && !stats.rx_dropped);
	link_check(stats.tx_packets >= 5000 && stats.rx_packets >= 5000);
}

/* No network between a running port and a tap that was taken down. */
static void tap_down(void)
{
	struct wire_flow flow = { .port = 5000, .host_port = 6000 };
	struct rt_net_stats stats;

	if (system("ip link set t0 down"))
		link_fail("ip link");
	while (link_poll())
		;
	send_udp(&flow, "lost", 4);
	rt_net_stats(&stats);
	link_check(stats.tx_dropped == 1);
	link_check(!link_poll());
	if (system("ip link set t0 up && ip neigh replace 10.9.0.1 lladdr "
		   "02:00:00:00:09:01 dev t0"))
		link_fail("ip link");
	udp4();
}

static void info(void)
{
	const struct rt_net_info *i = rt_net_info;
	unsigned int mtu = 9000;

	link_check(i && !strcmp(i->driver, "net_rkt_tap"));
	link_check(!memcmp(i->mac, wire_mac, 6));
	link_check(i->tx_csum && i->tx_sg && i->tx_tso && i->rx_csum && i->event_is_level);
	link_check(i->mtu == 1500 && i->mtu_min == 68 && i->mtu_max >= 9000);
	link_check(rt_net_set_mtu(&mtu) == 0);
}

/* What the port costs before it moves a byte. */
static void cost(void)
{
	printf("start %.1f ms, memory %zu KiB\n", link_start_ms, link_start_kib);
	link_check(link_start_ms < 100);
	link_check(link_start_kib < 8 << 10);
}

static const struct {
	const char *name;
	void (*check)(void);
} checks[] = {
	{ "info", info },
	{ "arp", arp },
	{ "ping", ping },
	{ "udp4", udp4 },
	{ "udp6", udp6 },
	{ "wrong_sum", wrong_sum },
	{ "tcp4_send", tcp4_send },
	{ "tcp4_send_scattered", tcp4_send_scattered },
	{ "tcp6_send", tcp6_send },
	{ "tcp4_receive", tcp4_receive },
	{ "tcp6_receive", tcp6_receive },
	{ "burst", burst },
	{ "full", full },
	{ "lies", lies },
	{ "odd_checksum", odd_checksum },
	{ "no_leak", no_leak },
	{ "tap_down", tap_down },
	{ "cost", cost },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		if (argc == 1)
			puts(checks[i].name);
		if (argc == 2 && !strcmp(argv[1], checks[i].name)) {
			link_up();
			checks[i].check();
			return 0;
		}
	}
	return argc == 1 ? 0 : 2;
}
