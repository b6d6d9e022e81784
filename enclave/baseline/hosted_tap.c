// SPDX-License-Identifier: GPL-2.0-only
/*
 * libos-host's tap: two threads of the host read and write it, one frame at a
 * time, and each frame is copied once more, through a ring of slots between
 * them and the enclave. Offloads stay as they are.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../runtime/runtime.h"
#include "../runtime/tap.h"
#include "../runtime/tap_queue.h"
#include "hosted.h"

/* The driver's data path once more, on top of our own readv and writev. */
static long frame_readv(int fd, const struct iovec *iov, int count);
static long frame_writev(int fd, const struct iovec *iov, int count);
#define hostcall_readv frame_readv
#define hostcall_writev frame_writev
#define tap_rx_burst hosted_rx_burst
#define tap_tx_burst hosted_tx_burst
static uint16_t hosted_rx_burst(void *queue, struct rte_mbuf **mbufs, uint16_t n);
static uint16_t hosted_tx_burst(void *queue, struct rte_mbuf **mbufs, uint16_t n);
#include "../runtime/tap.c"

enum { SLOTS = 64, SLOT_BYTES = TAP_FRAME_MAX + 64 };

struct ring {
	uint32_t head __attribute__((aligned(64)));	/* the reader's */
	uint32_t tail __attribute__((aligned(64)));	/* the writer's */
	struct {
		uint32_t bytes;
		char frame[SLOT_BYTES];
	} slot[SLOTS] __attribute__((aligned(64)));
};

static struct {
	int fd;
	struct ring *in, *out;
	struct hosted_thread receiver, sender;
} tap = { .fd = -1 };

static bool is_empty(const struct ring *ring)
{
	return __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE) ==
	       __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);
}

static bool is_full(const struct ring *ring)
{
	return __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE) -
	       __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE) == SLOTS;
}

bool hosted_tap_ready(void)
{
	return tap.fd >= 0 && !is_empty(tap.in);
}

/* ---- the enclave's side ---- */

static long frame_readv(int fd, const struct iovec *iov, int count)
{
	struct ring *ring = tap.in;
	uint32_t head = ring->head, left, total;
	const char *from = ring->slot[head % SLOTS].frame;
	bool was_full;

	(void)fd;
	if (is_empty(ring))
		return -EAGAIN;
	total = left = __atomic_load_n(&ring->slot[head % SLOTS].bytes, __ATOMIC_RELAXED);
	if (total > SLOT_BYTES)
		return -EINVAL;
	for (int i = 0; i < count && left; i++) {
		uint32_t n = left < iov[i].iov_len ? left : (uint32_t)iov[i].iov_len;

		memcpy(iov[i].iov_base, from, n);
		from += n;
		left -= n;
	}
	was_full = is_full(ring);
	__atomic_store_n(&ring->head, head + 1, __ATOMIC_RELEASE);
	if (was_full)
		hosted_kick(&tap.receiver);
	return total - left;
}

static long frame_writev(int fd, const struct iovec *iov, int count)
{
	struct ring *ring = tap.out;
	uint32_t tail = ring->tail, bytes = 0;
	char *to = ring->slot[tail % SLOTS].frame;

	(void)fd;
	if (is_full(ring))
		return -EAGAIN;
	for (int i = 0; i < count; i++) {
		if (iov[i].iov_len > SLOT_BYTES - bytes)
			return -EMSGSIZE;
		memcpy(to + bytes, iov[i].iov_base, iov[i].iov_len);
		bytes += (uint32_t)iov[i].iov_len;
	}
	ring->slot[tail % SLOTS].bytes = bytes;
	__atomic_store_n(&ring->tail, tail + 1, __ATOMIC_RELEASE);
	hosted_kick(&tap.sender);
	return bytes;
}

/* ---- the host's side ---- */

static void await(short events)
{
	struct pollfd fd = { .fd = tap.fd, .events = events };

	poll(&fd, 1, -1);
}

static bool has_room(void *ring)
{
	return !is_full(ring);
}

static bool has_frame(void *ring)
{
	return !is_empty(ring);
}

/* One frame from the tap into the ring; false when there is none yet. */
static bool receive(struct ring *ring)
{
	uint32_t tail = ring->tail;
	ssize_t n = read(tap.fd, ring->slot[tail % SLOTS].frame, SLOT_BYTES);

	if (n <= 0)
		return false;
	ring->slot[tail % SLOTS].bytes = (uint32_t)n;
	__atomic_store_n(&ring->tail, tail + 1, __ATOMIC_RELEASE);
	hosted_wake_enclave();
	return true;
}

static void *run_receiver(void *unused)
{
	uint64_t last = __builtin_ia32_rdtsc();

	(void)unused;
	for (;;) {
		if (is_full(tap.in)) {
			hosted_sleep(&tap.receiver, has_room, tap.in);
			continue;
		}
		if (receive(tap.in))
			last = __builtin_ia32_rdtsc();
		else if (__builtin_ia32_rdtsc() - last >= hosted.poll_cycles)
			await(POLLIN);
	}
	return NULL;
}

static void *run_sender(void *unused)
{
	struct ring *ring = tap.out;

	(void)unused;
	for (;;) {
		uint32_t head = ring->head;

		if (is_empty(ring)) {
			hosted_sleep(&tap.sender, has_frame, ring);
			continue;
		}
		while (write(tap.fd, ring->slot[head % SLOTS].frame, ring->slot[head % SLOTS].bytes) < 0 &&
		       (errno == EAGAIN || errno == EINTR))
			await(POLLOUT);
		__atomic_store_n(&ring->head, head + 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

static struct ring *make_ring(void)
{
	struct ring *ring = mmap(NULL, sizeof(*ring), PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (ring == MAP_FAILED)
		rt_fail("cannot make the ring of a tap: %s", strerror(errno));
	return ring;
}

static int attach(int fd)
{
	tap.in = make_ring();
	tap.out = make_ring();
	tap.fd = fd;
	hosted_thread_start(&tap.receiver, "tap-receiver", run_receiver, NULL);
	hosted_thread_start(&tap.sender, "tap-sender", run_sender, NULL);
	return hosted.door_fd;
}

void hosted_tap_prepare(void)
{
	static const struct rt_tap_path path = {
		.rx_burst = hosted_rx_burst,
		.tx_burst = hosted_tx_burst,
		.attach = attach,
	};

	rt_tap_path = &path;
}
