// SPDX-License-Identifier: GPL-2.0-only
/* Gathers what the filter must let through, and installs it on each thread. */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "blk.h"
#include "console.h"
#include "control.h"
#include "launch.h"
#include "lockdown.h"
#include "lockdown_filter.h"
#include "nvme.h"
#include "runtime.h"
#include "tee.h"
#include "virtio.h"

static struct {
	bool wanted;
	struct rt_filter filter;
	unsigned int threads, awaited;
} lockdown;

static void add_console(struct rt_filter_config *config)
{
	rt_fd_set_add(&config->readable, rt_console.streams[STDIN_FILENO].fd);
	rt_fd_set_add(&config->writable, rt_console.streams[STDOUT_FILENO].fd);
	rt_fd_set_add(&config->writable, rt_console.streams[STDERR_FILENO].fd);
	if (rt_console.has_terminal)
		config->terminal_fd = rt_console.streams[STDIN_FILENO].fd;
}

static void add_disks(struct rt_filter_config *config, const struct rt_launch *launch)
{
	unsigned int i;

	for (i = 0; i < rt_blk_ring_count(); i++) {
		if (rt_blk_ring_disk(i) >= 0)
			rt_fd_set_add(&config->readable, rt_blk_ring_fd(i));
		else if (rt_blk_uses_io_uring())
			rt_fd_set_add(&config->rings, rt_blk_ring_fd(i));
		if (rt_blk_ring_kick_fd(i) >= 0)
			rt_fd_set_add(&config->writable, rt_blk_ring_kick_fd(i));
	}
	for (i = 0; i < launch->disk_count; i++) {
		if (launch->disks[i].vhost) {
			rt_fd_set_add(&config->readable, launch->disks[i].fd);
			rt_fd_set_add(&config->writable, launch->disks[i].fd);
			continue;
		}
		if (rt_blk_uses_io_uring())
			continue;
		rt_fd_set_add(&config->readable, launch->disks[i].fd);
		rt_fd_set_add(&config->synced, launch->disks[i].fd);
		if (!launch->disks[i].readonly)
			rt_fd_set_add(&config->writable, launch->disks[i].fd);
	}
}

/* A tap, or eventfds: our own, and those that a peer will send. */
static void add_net(struct rt_filter_config *config, const struct rt_launch *launch)
{
	int numbers[RT_CONTROL_FDS_MAX], kick[RT_VIRTIO_RINGS_MAX], call[RT_VIRTIO_RINGS_MAX];
	unsigned int i, rings;

	if (launch->net.kind == RT_NET_TAP) {
		rt_fd_set_add(&config->readable, launch->net.fd);
		rt_fd_set_add(&config->writable, launch->net.fd);
		for (i = 0; i < launch->net.more_fds; i++) {
			rt_fd_set_add(&config->readable, launch->net.more_fd[i]);
			rt_fd_set_add(&config->writable, launch->net.more_fd[i]);
		}
		return;
	}
	rt_fd_set_add(&config->rings, rt_control_ring_fd());
	rings = rt_virtio_start_events(kick, call);
	for (i = 0; i < rings; i++) {
		rt_fd_set_add(&config->writable, kick[i]);
		rt_fd_set_add(&config->readable, call[i]);
	}
	rt_control_start_numbers(numbers);
	for (i = 0; i < RT_CONTROL_FDS_MAX; i++) {
		rt_fd_set_add(&config->received, numbers[i]);
		rt_fd_set_add(&config->readable, numbers[i]);
		rt_fd_set_add(&config->writable, numbers[i]);
	}
}

/* Their interrupts, after a sleep; all else of theirs is memory. */
static void add_nvme(struct rt_filter_config *config)
{
	for (unsigned int i = 0; i < rt_nvme_count(); i++)
		for (unsigned int j = 0; j < rt_nvme_device(i)->event_count; j++)
			rt_fd_set_add(&config->readable, rt_nvme_device(i)->events[j]);
}

bool rt_lockdown_wanted(void)
{
	return lockdown.wanted;
}

void rt_lockdown_start(const struct rt_launch *launch)
{
	static struct rt_filter_config config;
	const char *why_not = NULL;

	if (launch->insecure_no_lockdown)
		why_not = "it was asked for";
	else if (launch->io != RT_IO_DIRECT)
		why_not = "a baseline has threads of the host, which need other calls";
	lockdown.wanted = !why_not;
	if (why_not) {
		fprintf(stderr, "rkt-io: insecure: no lock-down (%s); the enclave can be debugged and may make any host call\n", why_not);
		return;
	}
	config.ram_bytes = launch->memory_bytes;
	config.ram_fd = rt_memory_fd();
	config.process = rt_process;
	config.terminal_fd = -1;
	config.cpus = launch->cpus;
	add_console(&config);
	add_disks(&config, launch);
	add_nvme(&config);
	if (launch->net.present)
		add_net(&config, launch);
	if (rt_tee.socket >= 0) {
		rt_fd_set_add(&config.readable, rt_tee.socket);
		rt_fd_set_add(&config.writable, rt_tee.socket);
	}
	if (rt_filter_build(&lockdown.filter, &config))
		rt_fail("too many descriptors for the lock-down's filter; use fewer disks or CPUs");
	prctl(PR_SET_DUMPABLE, 0);
}

/*
 * SPEC_ALLOW: hosts before Linux 5.16 would otherwise switch off speculative
 * stores for us, who hold no secret that is not our own.
 */
void rt_lockdown_start_thread(void)
{
	struct sock_fprog program = { lockdown.filter.length, lockdown.filter.code };

	if (lockdown.wanted &&
	    (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	     syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program)))
		rt_fail("cannot lock the enclave down by seccomp: %s; --insecure-no-lockdown does without",
			strerror(errno));
	__atomic_fetch_add(&lockdown.threads, 1, __ATOMIC_RELEASE);
}

/* They have no futex any more to tell us with. */
void rt_lockdown_start_await(unsigned int count)
{
	lockdown.awaited += count;
	while (__atomic_load_n(&lockdown.threads, __ATOMIC_ACQUIRE) < lockdown.awaited)
		sched_yield();
}

void rt_lockdown_start_trap(const struct rt_launch *launch)
{
	if (launch->insecure_trap && !strcmp(launch->insecure_trap, "hostcall"))
		open("/dev/null", O_RDONLY);
}
