// SPDX-License-Identifier: GPL-2.0-only
/*
 * The RAM of the library OS: one unlinked file on a tmpfs of our own, which
 * asks for huge pages, mapped linearly for the kernel and run by run where
 * applications expect it. It goes with the last descriptor.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostcall.h"
#include "runtime.h"

static int ram_fd = -1;

/* A detached mount: no mount point, nothing to clean up. */
static int open_tmpfs_file(uint64_t bytes)
{
	char size[32];
	int context, mount, file;

	context = syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
	if (context < 0)
		return -errno;
	snprintf(size, sizeof(size), "%lu", bytes);
	if (syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "huge", "always", 0) ||
	    syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "size", size, 0) ||
	    syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "mode", "0700", 0) ||
	    syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0)) {
		close(context);
		return -EPERM;
	}
	mount = syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0);
	close(context);
	if (mount < 0)
		return -errno;
	file = openat(mount, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	close(mount);
	return file < 0 ? -errno : file;
}

static int send_fd(int socket, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec one = { .iov_base = "", .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &one, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(int));
	return sendmsg(socket, &message, 0) == 1 ? 0 : -errno;
}

static int receive_fd(int socket)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec one = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &one, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *header;
	int fd;

	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1)
		return -EPERM;
	header = CMSG_FIRSTHDR(&message);
	if (!header || header->cmsg_type != SCM_RIGHTS)
		return -EPERM;
	memcpy(&fd, CMSG_DATA(header), sizeof(int));
	return fd;
}

/* Without root: in a user namespace of a child, so that ours stays as it is. */
static int open_tmpfs_file_unprivileged(uint64_t bytes)
{
	int pair[2], fd;
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	child = fork();
	if (child < 0)
		return -errno;
	if (child == 0) {
		fd = unshare(CLONE_NEWUSER | CLONE_NEWNS) ? -1 : open_tmpfs_file(bytes);
		_exit(fd < 0 || send_fd(pair[1], fd));
	}
	close(pair[1]);
	fd = receive_fd(pair[0]);
	close(pair[0]);
	waitpid(child, NULL, 0);
	return fd;
}

void rt_memory_start(uint64_t bytes)
{
	void *want = (void *)LIBOS_RAM_BASE, *got;

	ram_fd = open_tmpfs_file(bytes);
	if (ram_fd < 0)
		ram_fd = open_tmpfs_file_unprivileged(bytes);
	if (ram_fd < 0)
		ram_fd = memfd_create("rkt-io-ram", MFD_CLOEXEC);
	if (ram_fd < 0 || ftruncate(ram_fd, bytes))
		rt_fail("cannot make %lu MiB of memory: %s", bytes >> 20, strerror(errno));
	got = mmap(want, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, ram_fd, 0);
	if (got != want)
		rt_fail("the address range of the enclave's memory is taken: %s", strerror(errno));
	madvise(want, bytes, MADV_HUGEPAGE);
	madvise(want, bytes, MADV_DONTDUMP);
}

int rt_memory_fd(void)
{
	return ram_fd;
}

static int prot_of(int prot)
{
	return (prot & RT_PROT_READ ? PROT_READ : 0) | (prot & RT_PROT_WRITE ? PROT_WRITE : 0) |
	       (prot & RT_PROT_EXEC ? PROT_EXEC : 0);
}

long rt_map(unsigned long va, unsigned long bytes, int prot, unsigned long ram_offset, int populate)
{
	long ret = hostcall_mmap(va, bytes, prot_of(prot),
				 MAP_SHARED | MAP_FIXED | (populate ? MAP_POPULATE : 0),
				 ram_fd, ram_offset);

	return ret == (long)va ? 0 : ret;
}

long rt_unmap(unsigned long va, unsigned long bytes)
{
	return hostcall_munmap(va, bytes);
}

long rt_protect(unsigned long va, unsigned long bytes, int prot)
{
	return hostcall_mprotect(va, bytes, prot_of(prot));
}
