/* SPDX-License-Identifier: GPL-2.0-only */
/* The launch record as the runtime needs it; abi/launch.h documents the text. */
#ifndef RT_LAUNCH_H
#define RT_LAUNCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../abi/launch.h"
#include "../libos/overlay/arch/libos/include/asm/runtime.h"
#include "../libos/overlay/include/uapi/linux/rktio_tee.h"
#include "net.h"
#include "nvme.h"

struct rt_launch_disk {
	int fd;
	bool readonly;
	bool direct;		/* opened with O_DIRECT */
	bool vhost;		/* a socket: abi/vhost_disk.h */
	uint64_t size_bytes;
};

struct rt_launch_net {
	bool present;
	enum rt_net_kind kind;
	int fd;			/* a tap, already attached, or a Unix socket */
	bool listens;		/* the socket does */
	uint8_t mac[6];
	unsigned int mtu;
	unsigned int without;		/* enum rt_net_without */
	unsigned int more_fds;		/* of the same tap */
	int more_fd[LAUNCH_NET_QUEUES_MAX - 1];
};

/* Who does input and output; all but the first are baselines (docs/baselines.md). */
enum rt_launch_io {
	RT_IO_DIRECT,
	RT_IO_LIBOS_HOST,
	RT_IO_SWITCHLESS,
	RT_IO_SYNC,
};

struct rt_launch {
	uint64_t memory_bytes;
	unsigned int cpus;
	enum rt_poll_mode poll;
	unsigned int loglevel;
	bool stats;
	bool tty;
	bool insecure_no_lockdown;
	enum rt_launch_io io;
	uint64_t world_switch_cycles;
	unsigned int io_threads;
	const char *tree;	/* sync, switchless: the image's files on the host */
	int insecure_block_log_fd;	/* -1: none */
	const char *insecure_trap;	/* NULL, or "hostcall" */

	/* A sealed image's: see sealed.c. */
	bool keys;			/* come from a broker */
	int insecure_keys_fd;		/* -1: none */
	char *insecure_keys;
	size_t insecure_keys_bytes;
	const char *sealed_config;
	unsigned char certificate[LAUNCH_CERTIFICATE_MAX];
	size_t certificate_bytes;
	enum rktio_tee tee;
	const char *insecure_tsm;	/* NULL, or a path */
	unsigned int disk_count;
	struct rt_launch_disk disks[LAUNCH_DISKS_MAX];
	unsigned int nvme_count;
	struct rt_launch_nvme nvme[RT_NVME_MAX];
	struct rt_launch_net net;

	/* The bytes themselves, for /launch; NUL-terminated strings. */
	const char *record;
	size_t record_bytes;
};

/*
 * Check @len bytes at @record, which must outlive @launch. Returns 0, or
 * -EINVAL with one line (no newline) for the user in @error.
 */
int rt_launch_parse(const char *record, size_t len, struct rt_launch *launch,
		    char *error, size_t error_size);

/*
 * Read and check the record in descriptor @fd_text names, and close it. Never
 * returns on failure: one line on stderr, then exit(LAUNCH_STATUS_FAILED).
 */
void rt_launch_read(const char *fd_text, struct rt_launch *launch);

#endif /* RT_LAUNCH_H */
