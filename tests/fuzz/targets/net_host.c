// SPDX-License-Identifier: Apache-2.0
#include "net_host.h"

#include <errno.h>
#include <poll.h>
#include <rte_eal.h>
#include <rte_log.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include "../../../enclave/runtime/console.h"
#include "../../../enclave/runtime/control.h"
#include "../../../enclave/runtime/hostcall.h"

enum { BUFFERS = 1023, BUFFER_BYTES = 2048 + RTE_PKTMBUF_HEADROOM };

struct input *net_socket;
unsigned int net_fds;
static struct rte_mempool *pool;

struct rte_mempool *net_pool(void)
{
	static char *args[] = {
		"fuzz", "--no-huge", "--no-pci", "--no-telemetry", "--no-shconf", "-m64",
		"--iova-mode=va", "--log-level=*:emergency", "-l0",
	};

	if (pool)
		return pool;
	CHECK(rte_eal_init(sizeof(args) / sizeof(args[0]), args) >= 0);
	pool = rte_pktmbuf_pool_create("fuzz", BUFFERS, 0, 0, BUFFER_BYTES, 0);
	CHECK(pool);
	return pool;
}

void net_check_pool(void)
{
	CHECK(rte_mempool_avail_count(pool) == BUFFERS);
}

void rt_wait_add(int fd)
{
}

void rt_wait_del(int fd)
{
}

long hostcall_write(int fd, const void *buf, unsigned long bytes)
{
	return (long)bytes;
}

long hostcall_read(int fd, void *buf, unsigned long bytes)
{
	memset(buf, 0, bytes);
	return (long)bytes;
}

void rt_console_write_all(int fd, const char *text, unsigned long bytes)
{
}

long rt_control_close(int fd)
{
	CHECK(fd >= 0);
	return 0;
}

long hostcall_sched_yield(void)
{
	return 0;
}

long rt_control_accept(int fd)
{
	return -EAGAIN;
}

long hostcall_ppoll(struct pollfd *fds, unsigned int count, const struct timespec *timeout)
{
	return net_socket && net_socket->left ? 1 : 0;
}

long rt_control_sendmsg(int fd, const struct msghdr *msg)
{
	return (long)msg->msg_iov->iov_len;
}

static void send_fds(struct msghdr *msg)
{
	struct cmsghdr *header = msg->msg_control;
	int fd[64];

	if (!msg->msg_control || !net_fds ||
	    msg->msg_controllen < CMSG_SPACE(net_fds * sizeof(int))) {
		msg->msg_controllen = 0;
		return;
	}
	for (unsigned int i = 0; i < net_fds; i++)
		fd[i] = 100 + (int)i;
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(net_fds * sizeof(int));
	memcpy(CMSG_DATA(header), fd, net_fds * sizeof(int));
	msg->msg_controllen = CMSG_SPACE(net_fds * sizeof(int));
}

long rt_control_recvmsg(int fd, struct msghdr *msg)
{
	size_t n = msg->msg_iov->iov_len;

	if (n > net_socket->left)
		n = net_socket->left;
	take(net_socket, msg->msg_iov->iov_base, n);
	send_fds(msg);
	return (long)n;
}

/* A peer's memory: real, so that what is read from there may be anything. */
long hostcall_mmap(unsigned long addr, unsigned long bytes, int prot, int flags, int fd,
		   unsigned long offset)
{
	void *base;

	if (bytes > 1 << 20)
		return -ENOMEM;
	base = mmap((void *)addr, bytes, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
		    -1, 0);
	return base == MAP_FAILED ? -ENOMEM : (long)base;
}

long hostcall_munmap(unsigned long addr, unsigned long bytes)
{
	CHECK(!munmap((void *)addr, bytes));
	return 0;
}
