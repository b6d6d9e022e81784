/* SPDX-License-Identifier: GPL-2.0-only */
/* What the lock-down's filter is made from, and the program that comes out. */
#ifndef RT_LOCKDOWN_FILTER_H
#define RT_LOCKDOWN_FILTER_H

#include <linux/filter.h>
#include <stdbool.h>

enum {
	RT_FILTER_FDS_MAX = 96,
	RT_FILTER_CODE_MAX = 1024,
};

struct rt_fd_set {
	unsigned int count;
	int fd[RT_FILTER_FDS_MAX];
};

/* What one enclave needs; descriptors that it does not have are -1. */
struct rt_filter_config {
	unsigned long ram_bytes;
	int ram_fd;
	int process;
	int terminal_fd;
	unsigned int cpus;
	struct rt_fd_set readable;	/* console, tap, disks without io_uring */
	struct rt_fd_set writable;
	struct rt_fd_set rings;		/* io_uring: disks, control sockets */
	struct rt_fd_set synced;	/* disks without io_uring */
	struct rt_fd_set received;	/* numbers that descriptors of a vhost-user peer will have */
};

struct rt_filter {
	unsigned int length;
	struct sock_filter code[RT_FILTER_CODE_MAX];
};

void rt_fd_set_add(struct rt_fd_set *set, int fd);

/* Returns 0, or -E2BIG where more is needed than a filter has room for. */
int rt_filter_build(struct rt_filter *filter, const struct rt_filter_config *config);

#endif /* RT_LOCKDOWN_FILTER_H */
