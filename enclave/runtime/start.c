// SPDX-License-Identifier: GPL-2.0-only
/*
 * From the launcher's exec to the library kernel: read the launch record, make
 * memory, open what was passed, and never come back.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <unistd.h>

#include "../baseline/baseline.h"
#include "blk.h"
#include "blk_log.h"
#include "console.h"
#include "eal.h"
#include "initramfs.h"
#include "launch.h"
#include "lockdown.h"
#include "net.h"
#include "nvme.h"
#include "runtime.h"
#include "sealed.h"
#include "tee.h"

#define HWCAP2_FSGSBASE 2

extern char _end[];

static struct rt_boot boot;

void rt_fail(const char *format, ...)
{
	va_list args;

	rt_console_restore();
	fprintf(stderr, "rkt-io: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	_exit(LAUNCH_STATUS_FAILED);
}

/* The address map is fixed: the host must not scatter stack and heap into it. */
static void fix_addresses(char **argv)
{
	if (personality(0xffffffff) & ADDR_NO_RANDOMIZE)
		return;
	if (personality(ADDR_NO_RANDOMIZE) == -1)
		return;
	execv("/proc/self/exe", argv);
	rt_fail("cannot start again without address randomisation: %s", strerror(errno));
}

static void check_host(void)
{
	if (!(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE))
		rt_fail("this machine has no FSGSBASE; Linux 5.9 or later on a CPU since 2013 is needed");
	if ((unsigned long)_end > LIBOS_RAM_BASE)
		rt_fail("the executable is larger than its place in the address map");
}

static void place_initramfs(const struct rt_launch *launch)
{
	size_t bytes = rt_initramfs_size(launch);
	unsigned long start = (LIBOS_RAM_BASE + launch->memory_bytes - bytes) & ~4095UL;

	boot.initrd = start;
	boot.initrd_bytes = rt_initramfs_build((void *)start, bytes, launch);
	if (!boot.initrd_bytes)
		rt_fail("the launch record does not fit into memory");
}

static void describe(const struct rt_launch *launch)
{
	boot.ram_bytes = launch->memory_bytes;
	boot.image_end = (unsigned long)_end;
	boot.tsc_khz = rt_tsc_khz();
	boot.cpus = launch->cpus;
	boot.poll_mode = launch->poll;
	rt_tee_start_random(boot.seed, sizeof(boot.seed));
	snprintf(boot.cmdline, sizeof(boot.cmdline),
		 "loglevel=%u thp_anon=64K:always panic=-1 transparent_hugepage=always%s",
		 launch->loglevel, launch->sealed_config ? " dm_verity.require_signatures=1" : "");
}

static void start_block_log(int fd)
{
	struct stat st;
	void *shared;

	if (fstat(fd, &st))
		rt_fail("the disks' log: %s", strerror(errno));
	shared = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED)
		rt_fail("the disks' log can't be shared: %s", strerror(errno));
	rt_blk_log_into(shared, st.st_size);
}

static void start_devices(const struct rt_launch *launch)
{
	char error[256];

	if (launch->disk_count &&
	    rt_blk_start(launch->disks, launch->disk_count, launch->cpus, error, sizeof(error)))
		rt_fail("%s", error);
	if (launch->insecure_block_log_fd >= 0)
		start_block_log(launch->insecure_block_log_fd);
	if (launch->nvme_count &&
	    rt_nvme_start(launch->nvme, launch->nvme_count, launch->cpus, error, sizeof(error)))
		rt_fail("%s", error);
	if (launch->net.present) {
		struct rt_net_config config = {
			.kind = launch->net.kind,
			.fd = launch->net.fd,
			.listens = launch->net.listens,
			.without = launch->net.without,
			.queues = 1 + launch->net.more_fds,
			.more_fds = launch->net.more_fd,
			.busy = launch->poll == RT_POLL_BUSY,
			.mtu = launch->net.mtu,
			.tsc_hz = boot.tsc_khz * 1000,
		};
		int err;

		memcpy(config.mac, launch->net.mac, sizeof(config.mac));
		err = rt_net_start(&config);
		if (err)
			rt_fail("cannot start the network: %s (%s)", rt_eal_error(), strerror(-err));
	}
}

unsigned long rt_host_stack_start(void)
{
	char *stack = mmap(NULL, RT_HOST_STACK_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (stack == MAP_FAILED)
		rt_fail("cannot make a stack: %s", strerror(errno));
	return (unsigned long)stack + RT_HOST_STACK_BYTES;
}

int main(int argc, char **argv)
{
	static struct rt_launch launch;
	unsigned long host_sp;

	if (argc != 2)
		rt_fail("this program is started by rkt-io-run");
	fix_addresses(argv);
	check_host();
	rt_launch_read(argv[1], &launch);
	rt_baseline_start(&launch);
	rt_stats_wanted = launch.stats;
	rt_process = getpid();
	rt_tee_start(&launch);
	describe(&launch);
	rt_console_start(&launch);
	rt_memory_start(launch.memory_bytes);
	start_devices(&launch);
	rt_sealed_start(&launch);
	place_initramfs(&launch);
	rt_sealed_start_wipe(&launch);
	rt_clock_start(boot.tsc_khz);
	rt_signals_start();
	host_sp = rt_host_stack_start();
	rt_lockdown_start(&launch);
	rt_cpus_start(launch.cpus);
	rt_eal_start_lockdown();
	rt_thread_start(0);
	rt_lockdown_start_thread();
	rt_lockdown_start_trap(&launch);
	libos_start(&boot, rt_fs_base(), host_sp);
}
