// SPDX-License-Identifier: GPL-2.0-only
/* The ring of the control sockets: one request at a time, waited for. */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "control.h"
#include "hostcall.h"

enum {
	ENTRIES = 4,
	ENTER_GETEVENTS = 1,
	ERRNO_MAX = 4095,
};

/* The rings are the host's memory: indices are ours, results are read once. */
static struct {
	int fd;
	int busy;
	uint32_t sq_tail, cq_head;
	uint32_t sq_mask, cq_mask;
	struct io_uring_sqe *sqes;
	uint32_t *host_sq_tail, *host_cq_tail, *host_cq_head;
	struct io_uring_cqe *host_cqes;
} ring = { .fd = -1 };

static const uint8_t operations[] = {
	IORING_OP_SENDMSG, IORING_OP_RECVMSG, IORING_OP_ACCEPT, IORING_OP_CLOSE,
};

enum { OPERATIONS = sizeof(operations) };

/* No flags of a request are allowed: each runs alone, on a plain descriptor. */
static int start_restricted(int fd)
{
	struct io_uring_restriction rules[OPERATIONS] = { 0 };

	for (size_t i = 0; i < OPERATIONS; i++) {
		rules[i].opcode = IORING_RESTRICTION_SQE_OP;
		rules[i].sqe_op = operations[i];
	}
	if (syscall(SYS_io_uring_register, fd, IORING_REGISTER_RESTRICTIONS, rules, OPERATIONS) ||
	    syscall(SYS_io_uring_register, fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0))
		return -errno;
	return 0;
}

static int start_mapped(int fd, const struct io_uring_params *params)
{
	size_t sq_bytes = params->sq_off.array + params->sq_entries * sizeof(uint32_t);
	size_t cq_bytes = params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);
	int prot = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_POPULATE;
	char *base;

	if (!(params->features & IORING_FEAT_SINGLE_MMAP))
		return -EOPNOTSUPP;
	base = mmap(NULL, sq_bytes > cq_bytes ? sq_bytes : cq_bytes, prot, flags, fd,
		    IORING_OFF_SQ_RING);
	ring.sqes = mmap(NULL, params->sq_entries * sizeof(struct io_uring_sqe), prot, flags, fd,
			 IORING_OFF_SQES);
	if (base == MAP_FAILED || ring.sqes == MAP_FAILED)
		return -ENOMEM;
	ring.sq_mask = params->sq_entries - 1;
	ring.cq_mask = params->cq_entries - 1;
	ring.host_sq_tail = (uint32_t *)(base + params->sq_off.tail);
	ring.host_cq_tail = (uint32_t *)(base + params->cq_off.tail);
	ring.host_cq_head = (uint32_t *)(base + params->cq_off.head);
	ring.host_cqes = (struct io_uring_cqe *)(base + params->cq_off.cqes);
	for (uint32_t i = 0; i < params->sq_entries; i++)
		((uint32_t *)(base + params->sq_off.array))[i] = i;
	return 0;
}

int rt_control_start(void)
{
	struct io_uring_params params = { .flags = IORING_SETUP_R_DISABLED };
	int err, fd;

	if (ring.fd >= 0)
		return 0;
	fd = (int)syscall(SYS_io_uring_setup, ENTRIES, &params);
	if (fd < 0)
		return -errno;
	err = start_restricted(fd);
	if (!err)
		err = start_mapped(fd, &params);
	if (err) {
		close(fd);
		return err;
	}
	ring.fd = fd;
	return 0;
}

int rt_control_ring_fd(void)
{
	return ring.fd;
}

void rt_control_start_numbers(int numbers[RT_CONTROL_FDS_MAX])
{
	int count = 0;

	for (int fd = 0; count < RT_CONTROL_FDS_MAX; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			numbers[count++] = fd;
}

static void lock(void)
{
	while (__atomic_exchange_n(&ring.busy, 1, __ATOMIC_ACQUIRE))
		hostcall_sched_yield();
}

static void unlock(void)
{
	__atomic_store_n(&ring.busy, 0, __ATOMIC_RELEASE);
}

static long wait_for_result(void)
{
	long host_result;

	while (__atomic_load_n(ring.host_cq_tail, __ATOMIC_ACQUIRE) == ring.cq_head) {
		long ret = hostcall_io_uring_enter(ring.fd, 0, 1, ENTER_GETEVENTS);

		if (ret < 0 && ret != -EINTR && ret != -EAGAIN && ret != -EBUSY)
			return ret;
	}
	host_result = __atomic_load_n(&ring.host_cqes[ring.cq_head & ring.cq_mask].res,
				      __ATOMIC_RELAXED);
	__atomic_store_n(ring.host_cq_head, ++ring.cq_head, __ATOMIC_RELEASE);
	return host_result;
}

/* A result beyond what was asked for is a lie of the host, and an error. */
static long request(const struct io_uring_sqe *sqe, long result_max)
{
	long ret;

	lock();
	ring.sqes[ring.sq_tail & ring.sq_mask] = *sqe;
	__atomic_store_n(ring.host_sq_tail, ++ring.sq_tail, __ATOMIC_RELEASE);
	do
		ret = hostcall_io_uring_enter(ring.fd, 1, 1, ENTER_GETEVENTS);
	while (ret == -EINTR || ret == -EAGAIN || ret == -EBUSY);
	if (ret >= 0)
		ret = wait_for_result();
	unlock();
	return ret > result_max || ret < -ERRNO_MAX ? -EIO : ret;
}

static long bytes_of(const struct msghdr *msg)
{
	long bytes = 0;

	for (size_t i = 0; i < msg->msg_iovlen; i++)
		bytes += (long)msg->msg_iov[i].iov_len;
	return bytes;
}

long rt_control_sendmsg(int socket, const struct msghdr *msg)
{
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_SENDMSG, .fd = socket, .addr = (uintptr_t)msg, .len = 1,
		.msg_flags = MSG_NOSIGNAL | MSG_DONTWAIT,
	};

	return request(&sqe, bytes_of(msg));
}

long rt_control_recvmsg(int socket, struct msghdr *msg)
{
	size_t control_bytes = msg->msg_controllen;
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_RECVMSG, .fd = socket, .addr = (uintptr_t)msg, .len = 1,
		.msg_flags = MSG_CMSG_CLOEXEC | MSG_DONTWAIT,
	};
	long ret = request(&sqe, bytes_of(msg));

	if (msg->msg_controllen > control_bytes)
		return -EIO;
	return ret;
}

/* The socket is set not to block, at start. */
long rt_control_accept(int socket)
{
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_ACCEPT, .fd = socket, .accept_flags = SOCK_CLOEXEC,
	};

	return request(&sqe, INT32_MAX);
}

long rt_control_close(int fd)
{
	struct io_uring_sqe sqe = { .opcode = IORING_OP_CLOSE, .fd = fd };

	return request(&sqe, 0);
}
