// SPDX-License-Identifier: Apache-2.0
/* The port under test, as the kernel sees it, on a tap of a fresh network namespace. */
#define _GNU_SOURCE
#include "link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "../../../../enclave/runtime/dma.h"
#include "../../../../enclave/runtime/eal.h"
#include "../../../../enclave/runtime/hostcall.h"
#include "../../../../enclave/runtime/net.h"

unsigned int link_writes_refused;
const void *link_read_instead;
long link_read_instead_len;
unsigned int link_crossings;
double link_start_ms;
size_t link_start_kib;

static struct rt_net_burst tx, rx;
static unsigned int rx_next;
static int wait_fd = -1;

void link_fail_at(const char *file, int line, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s:%d: ", file, line);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	exit(1);
}

/* ---- what the rest of the enclave provides ---- */

void rt_wait_add(int fd);

static long cross(long (*fn)(void *), void *arg)
{
	link_crossings++;
	return fn(arg);
}

void rt_wait_add(int fd)
{
	wait_fd = fd;
}

static long scatter(const struct iovec *iov, int count, const char *from, long len)
{
	long left = len;

	for (int i = 0; i < count && left; i++) {
		long n = left < (long)iov[i].iov_len ? left : (long)iov[i].iov_len;

		memcpy(iov[i].iov_base, from, (size_t)n);
		from += n;
		left -= n;
	}
	return len;
}

long hostcall_readv(int fd, const struct iovec *iov, int count)
{
	long ret;

	if (link_read_instead) {
		ret = scatter(iov, count, link_read_instead, link_read_instead_len);
		link_read_instead = NULL;
		return ret;
	}
	ret = readv(fd, iov, count);
	return ret < 0 ? -errno : ret;
}

long hostcall_writev(int fd, const struct iovec *iov, int count)
{
	long ret;

	if (link_writes_refused) {
		link_writes_refused--;
		return -EAGAIN;
	}
	ret = writev(fd, iov, count);
	return ret < 0 ? -errno : ret;
}

/* ---- set-up ---- */

static int open_tap(void)
{
	struct ifreq ifr = { .ifr_name = "t0" };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	ifr.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr))
		link_fail("tap: %s", strerror(errno));
	return fd;
}

static void read_host_mac(void)
{
	struct ifreq ifr = { .ifr_name = "t0" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &ifr))
		link_fail("tap address: %s", strerror(errno));
	memcpy(wire_host_mac, ifr.ifr_hwaddr.sa_data, 6);
	close(fd);
}

static void run(const char *command)
{
	if (system(command))
		link_fail("failed: %s", command);
}

static size_t resident_kib(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	size_t total, resident;

	link_check(f && fscanf(f, "%zu %zu", &total, &resident) == 2);
	fclose(f);
	return resident * (size_t)sysconf(_SC_PAGESIZE) / 1024;
}

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void start_port(const struct rt_net_config *config)
{
	size_t before_kib = resident_kib();
	double before_ms = now_ms();
	int err = rt_net_start(config);

	if (err)
		link_fail("rt_net_start: %d %s", err, rt_eal_error());
	link_start_ms = now_ms() - before_ms;
	link_start_kib = resident_kib() - before_kib;
}

void link_up(void)
{
	struct rt_net_config config = { .mtu = 1500, .tsc_hz = 2000000000, .queues = 1 };

	if (unshare(CLONE_NEWNET))
		link_fail("network namespace: %s", strerror(errno));
	config.fd = open_tap();
	memcpy(config.mac, wire_mac, 6);
	run("ip link set lo up && ip addr add 10.9.0.254/24 dev t0 && "
	    "ip addr add fd09::fe/64 dev t0 nodad && ip link set t0 up && "
	    "ip neigh add 10.9.0.1 lladdr 02:00:00:00:09:01 dev t0 && "
	    "ip neigh add fd09::1 lladdr 02:00:00:00:09:01 dev t0");
	read_host_mac();
	start_port(&config);
}

/* ---- send ---- */

static void add_seg(const void *addr, size_t len)
{
	link_check(tx.seg_count < RT_NET_SEGS);
	tx.seg[tx.seg_count].addr = (void *)addr;
	tx.seg[tx.seg_count++].len = (unsigned int)len;
}

void link_queue(const uint8_t *headers, size_t headers_len, const void *payload,
		size_t payload_len, unsigned int pieces,
		const struct rt_net_offload *offload)
{
	struct rt_net_frame *frame = &tx.frame[tx.count++];
	const char *p = payload;
	size_t left = payload_len;

	link_check(tx.count <= RT_NET_BURST);
	frame->offload = *offload;
	frame->len = (unsigned int)(headers_len + payload_len);
	frame->first_seg = tx.seg_count;
	add_seg(headers, headers_len);
	for (; pieces && left; pieces--) {
		size_t n = pieces == 1 ? left : left / pieces;

		add_seg(p, n);
		p += n;
		left -= n;
	}
	frame->segs = (unsigned short)(tx.seg_count - frame->first_seg);
}

unsigned int link_flush(void)
{
	cross(rt_net_tx, &tx);
	tx.count = 0;
	tx.seg_count = 0;
	return tx.waiting;
}

void link_send(const uint8_t *headers, size_t headers_len, const void *payload,
	       size_t payload_len, unsigned int pieces,
	       const struct rt_net_offload *offload)
{
	link_queue(headers, headers_len, payload, payload_len, pieces, offload);
	link_check(link_flush() == 0);
}

/* ---- receive ---- */

static void take(const struct rt_net_frame *from, struct wire_frame *ret)
{
	ret->len = 0;
	for (unsigned int i = 0; i < from->segs; i++) {
		const struct rt_net_seg *seg = &rx.seg[from->first_seg + i];

		link_check(rt_dma_contains(seg->addr, seg->len));
		link_check(ret->len + seg->len <= sizeof(ret->data));
		memcpy(ret->data + ret->len, seg->addr, seg->len);
		ret->len += seg->len;
	}
	link_check(ret->len == from->len);
	ret->offload = from->offload;
}

unsigned int link_poll(void)
{
	rx.count = RT_NET_BURST;
	rx_next = 0;
	cross(rt_net_rx, &rx);
	return rx.count;
}

bool link_receive(struct wire_frame *ret)
{
	for (int tries = 0; rx_next == rx.count; tries++) {
		struct pollfd pfd = { .fd = wait_fd, .events = POLLIN };

		if (link_poll())
			break;
		if (tries > 100 || poll(&pfd, 1, 1000) <= 0)
			return false;
	}
	take(&rx.frame[rx_next++], ret);
	return true;
}

void link_receive_of(const struct wire_flow *flow, uint8_t protocol,
		     struct wire_frame *ret)
{
	do {
		if (!link_receive(ret))
			link_fail("no frame came");
	} while (!wire_is_of(ret, flow, protocol));
}
