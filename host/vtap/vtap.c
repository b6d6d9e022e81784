// SPDX-License-Identifier: GPL-2.0-only
/*
 * rkt-io-vtap: vhost-user's back end on one side, a tap of the host on the
 * other. A frame and its virtio header go from the enclave's DMA region to the
 * host's stack, or back, by one writev or readv and no copy in here.
 *
 * Untrusted: it sees what is on the wire, and nothing else of the enclave.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/if_tun.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_vhost.h>

enum {
	RING_RX = 0,		/* as the enclave sees them */
	RING_TX = 1,
	RINGS = 2,
	BURST = 32,
	IOV_MAX_SEGS = 64,
	FRAME_MAX = 65536 + 64,
	HDR_BYTES = sizeof(struct virtio_net_hdr_mrg_rxbuf),
	SPIN_NS = 200 * 1000,
	SLEEP_MS = 100,
};

struct ring {
	struct rte_vhost_vring vring;
	uint16_t avail_next;
	uint16_t used_next;
};

static struct vtap {
	pthread_mutex_t lock;	/* held while the rings are used; callbacks change them */
	int vid;		/* -1: no enclave */
	int tap;
	struct rte_vhost_memory *memory;
	struct ring ring[RINGS];
	uint64_t to_host, to_enclave, dropped;
} vtap = { .lock = PTHREAD_MUTEX_INITIALIZER, .vid = -1, .tap = -1 };

static volatile sig_atomic_t stopped;

__attribute__((noreturn))
static void die(const char *what)
{
	fprintf(stderr, "rkt-io-vtap: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- the enclave comes and goes: from librte_vhost's thread ---- */

static void forget(void)
{
	free(vtap.memory);
	vtap.memory = NULL;
	vtap.vid = -1;
}

static int new_device(int vid)
{
	int err;

	pthread_mutex_lock(&vtap.lock);
	err = rte_vhost_get_mem_table(vid, &vtap.memory);
	for (uint16_t i = 0; i < RINGS && !err; i++) {
		struct ring *ring = &vtap.ring[i];

		err = rte_vhost_get_vhost_vring(vid, i, &ring->vring);
		if (!err)
			err = rte_vhost_get_vring_base(vid, i, &ring->avail_next, &ring->used_next);
		if (!err)
			rte_vhost_enable_guest_notification(vid, i, 0);
	}
	if (err)
		forget();
	else
		vtap.vid = vid;
	pthread_mutex_unlock(&vtap.lock);
	return err;
}

static void destroy_device(int vid)
{
	pthread_mutex_lock(&vtap.lock);
	for (uint16_t i = 0; i < RINGS && vtap.vid == vid; i++)
		rte_vhost_set_vring_base(vid, i, vtap.ring[i].avail_next, vtap.ring[i].used_next);
	forget();
	pthread_mutex_unlock(&vtap.lock);
}

static const struct rte_vhost_device_ops device_ops = {
	.new_device = new_device,
	.destroy_device = destroy_device,
};

/* ---- rings ---- */

static bool has_avail(const struct ring *ring, uint16_t ahead)
{
	uint16_t idx = __atomic_load_n(&ring->vring.avail->idx, __ATOMIC_ACQUIRE);

	return (uint16_t)(idx - ring->avail_next) > ahead;
}

static uint16_t head_at(const struct ring *ring, uint16_t ahead)
{
	return ring->vring.avail->ring[(uint16_t)(ring->avail_next + ahead) & (ring->vring.size - 1)];
}

/* Append the chain's buffers to @iov. Returns their bytes, 0 when it is malformed. */
static size_t add_chain(const struct ring *ring, uint16_t head, struct iovec *iov, int *count)
{
	uint16_t next = head;
	size_t bytes = 0;

	for (unsigned int steps = 0; steps < ring->vring.size; steps++) {
		struct vring_desc desc;
		uint64_t len;

		if (next >= ring->vring.size || *count == IOV_MAX_SEGS)
			return 0;
		desc = ring->vring.desc[next];
		len = desc.len;
		iov[*count].iov_base = (void *)(uintptr_t)
			rte_vhost_va_from_guest_pa(vtap.memory, desc.addr, &len);
		if (!iov[*count].iov_base || len < desc.len)
			return 0;
		iov[(*count)++].iov_len = desc.len;
		bytes += desc.len;
		if (!(desc.flags & VRING_DESC_F_NEXT))
			return bytes;
		next = desc.next;
	}
	return 0;
}

static void put_used(struct ring *ring, uint16_t head, size_t bytes)
{
	ring->vring.used->ring[ring->used_next & (ring->vring.size - 1)] =
		(struct vring_used_elem){ .id = head, .len = (uint32_t)bytes };
	ring->used_next++;
	ring->avail_next++;
}

static void tell_used(struct ring *ring, uint16_t index)
{
	__atomic_store_n(&ring->vring.used->idx, ring->used_next, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	rte_vhost_vring_call(vtap.vid, index);
}

/* ---- frames ---- */

static int send_to_host(void)
{
	struct ring *ring = &vtap.ring[RING_TX];
	int done;

	for (done = 0; done < BURST && has_avail(ring, 0); done++) {
		struct iovec iov[IOV_MAX_SEGS];
		uint16_t head = head_at(ring, 0);
		int count = 0;

		if (!add_chain(ring, head, iov, &count) || writev(vtap.tap, iov, count) < 0) {
			if (errno == EAGAIN && count)
				break;
			vtap.dropped++;
		} else {
			vtap.to_host++;
		}
		put_used(ring, head, 0);
	}
	if (done)
		tell_used(ring, RING_TX);
	return done;
}

/* Buffers for the largest frame; how many of them it takes is known afterwards. */
static int gather(const struct ring *ring, struct iovec *iov, int *count, size_t *sizes)
{
	size_t bytes = 0;
	int chains = 0;

	while (bytes < FRAME_MAX + HDR_BYTES && has_avail(ring, (uint16_t)chains)) {
		sizes[chains] = add_chain(ring, head_at(ring, (uint16_t)chains), iov, count);
		if (!sizes[chains])
			return -1;
		bytes += sizes[chains++];
	}
	return bytes < FRAME_MAX + HDR_BYTES ? 0 : chains;
}

static bool receive_one(struct ring *ring)
{
	struct virtio_net_hdr_mrg_rxbuf *hdr;
	struct iovec iov[IOV_MAX_SEGS];
	size_t sizes[IOV_MAX_SEGS], left;
	int count = 0, used = 0, chains;
	ssize_t n;

	chains = gather(ring, iov, &count, sizes);
	if (chains <= 0 || iov[0].iov_len < HDR_BYTES)
		return false;
	n = readv(vtap.tap, iov, count);
	if (n <= (ssize_t)HDR_BYTES)
		return false;
	hdr = iov[0].iov_base;
	for (left = (size_t)n; left && used < chains; used++) {
		size_t part = left < sizes[used] ? left : sizes[used];

		put_used(ring, head_at(ring, 0), part);
		left -= part;
	}
	hdr->num_buffers = (uint16_t)used;
	vtap.to_enclave++;
	return true;
}

static int receive_from_host(void)
{
	struct ring *ring = &vtap.ring[RING_RX];
	int done = 0;

	while (done < BURST && receive_one(ring))
		done++;
	if (done)
		tell_used(ring, RING_RX);
	return done;
}

static int work(void)
{
	int done = 0;

	pthread_mutex_lock(&vtap.lock);
	if (vtap.vid >= 0) {
		done = send_to_host();
		done += receive_from_host();
	}
	pthread_mutex_unlock(&vtap.lock);
	return done;
}

/* ---- waiting ---- */

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int kick_fd(bool wanted)
{
	int fd = -1;

	pthread_mutex_lock(&vtap.lock);
	if (vtap.vid >= 0) {
		rte_vhost_enable_guest_notification(vtap.vid, RING_TX, wanted);
		if (!has_avail(&vtap.ring[RING_TX], 0))
			fd = vtap.ring[RING_TX].vring.kickfd;
	}
	pthread_mutex_unlock(&vtap.lock);
	return fd;
}

/* Until a frame comes from either side. Without an enclave, look now and then. */
static void wait_for_work(void)
{
	int kick = kick_fd(true);
	struct pollfd fds[] = {
		{ .fd = kick, .events = POLLIN },
		{ .fd = kick < 0 ? -1 : vtap.tap, .events = POLLIN },
	};
	uint64_t count;

	if (kick >= 0 || vtap.vid < 0)
		poll(fds, 2, kick < 0 ? SLEEP_MS / 10 : SLEEP_MS);
	if (fds[0].revents & POLLIN && read(kick, &count, sizeof(count)) < 0 && errno != EAGAIN)
		die("the enclave's event");
	kick_fd(false);
}

static void run(bool busy)
{
	uint64_t last = now_ns();

	while (!stopped) {
		if (work())
			last = now_ns();
		else if (!busy && now_ns() - last > SPIN_NS)
			wait_for_work();
	}
}

/* ---- start ---- */

static int open_tap(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int hdr_bytes = HDR_BYTES;
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		die("/dev/net/tun");
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &ifr) || ioctl(fd, TUNSETVNETHDRSZ, &hdr_bytes) ||
	    ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6))
		die(name);
	return fd;
}

static void start_eal(void)
{
	static char *args[] = {
		"rkt-io-vtap", "--no-huge", "-m64", "--no-pci", "--no-telemetry", "--no-shconf",
		"--iova-mode=va", "--log-level=*:error", "-l", "0", NULL,
	};
	cpu_set_t cpus;

	sched_getaffinity(0, sizeof(cpus), &cpus);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		static char first[8];

		if (!CPU_ISSET(cpu, &cpus))
			continue;
		snprintf(first, sizeof(first), "%d", cpu);
		args[9] = first;
		break;
	}
	if (rte_eal_init(10, args) < 0)
		die("DPDK does not start");
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

static void start_vhost(const char *path, bool listens)
{
	uint64_t features = 1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_NET_F_MRG_RXBUF |
			    1ULL << VIRTIO_NET_F_CSUM | 1ULL << VIRTIO_NET_F_GUEST_CSUM |
			    1ULL << VIRTIO_NET_F_HOST_TSO4 | 1ULL << VIRTIO_NET_F_HOST_TSO6 |
			    1ULL << VIRTIO_NET_F_GUEST_TSO4 | 1ULL << VIRTIO_NET_F_GUEST_TSO6 |
			    1ULL << VHOST_USER_F_PROTOCOL_FEATURES;

	if (rte_vhost_driver_register(path, listens ? 0 : RTE_VHOST_USER_CLIENT) ||
	    rte_vhost_driver_set_features(path, features) ||
	    rte_vhost_driver_callback_register(path, &device_ops) ||
	    rte_vhost_driver_start(path)) {
		errno = EIO;
		die(path);
	}
}

static void stop(int sig)
{
	(void)sig;
	stopped = 1;
}

static void usage(FILE *to)
{
	fprintf(to, "usage: rkt-io-vtap [--listen] [--busy] SOCKET TAP\n\n"
		"Connect an enclave's --net virtio-user:SOCKET,server to the tap TAP of this host,\n"
		"and again whenever the enclave is started anew.\n\n"
		"  --listen   wait for an enclave that connects (--net virtio-user:SOCKET)\n"
		"  --busy     never sleep\n");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "listen", no_argument, NULL, 'l' },
		{ "busy", no_argument, NULL, 'b' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	bool listens = false, busy = false;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'h') {
			usage(stdout);
			return 0;
		}
		listens |= option == 'l';
		busy |= option == 'b';
		if (option == '?') {
			usage(stderr);
			return 2;
		}
	}
	if (argc - optind != 2) {
		usage(stderr);
		return 2;
	}
	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	signal(SIGPIPE, SIG_IGN);
	vtap.tap = open_tap(argv[optind + 1]);
	start_eal();
	start_vhost(argv[optind], listens);
	run(busy);
	rte_vhost_driver_unregister(argv[optind]);
	printf("rkt-io-vtap: %lu frames to the host, %lu to the enclave, %lu dropped\n",
	       vtap.to_host, vtap.to_enclave, vtap.dropped);
	return 0;
}
