// SPDX-License-Identifier: GPL-2.0-only
/*
 * The embedded DPDK environment (EAL) of Debian's libdpdk.
 *
 * Link (static, in this order; only what an ethdev needs, about 2 MB):
 *
 *   -Wl,--wrap=get_tsc_freq -Wl,--wrap=eal_log_init
 *   -Wl,--wrap=eal_cpu_detected -Wl,--wrap=eal_cpu_socket_id
 *   -Wl,--whole-archive -l:librte_mempool_ring.a -l:librte_mempool_stack.a
 *   -Wl,--no-whole-archive
 *   -Wl,--start-group
 *     -l:librte_ethdev.a -l:librte_bus_vdev.a -l:librte_net.a
 *     -l:librte_meter.a -l:librte_mbuf.a -l:librte_mempool.a
 *     -l:librte_stack.a -l:librte_ring.a -l:librte_eal.a
 *     -l:librte_telemetry.a -l:librte_kvargs.a
 *   -Wl,--end-group -lnuma -lbsd -lmd -lm
 *
 * The mempool operations register themselves by constructors that nothing
 * refers to, hence the whole archive.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_alarm.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_memory.h>

#include "eal.h"
#include "hostcall.h"
#include "lockdown.h"
#include "runtime.h"

enum {
	MIB = 1 << 20,
	HUGE_PAGE_BYTES = 2 * MIB,
	ARGS_MAX = 20,
};

static struct {
	uint64_t tsc_hz;
	cpu_set_t cpus;
	FILE *log;
	char log_buffer[BUFSIZ];
	char error[200];
	bool running;
	uintptr_t memory_start;
	uintptr_t memory_end;
} eal;

const char *rt_eal_error(void)
{
	return eal.error;
}

size_t rt_eal_memory(const void **ret_start)
{
	*ret_start = (const void *)eal.memory_start;
	return eal.memory_end - eal.memory_start;
}

/*
 * Four functions inside EAL are replaced by the linker. Measuring the TSC
 * sleeps for 100 ms, which the runtime has done better already. Looking for
 * 128 CPUs on 32 NUMA nodes makes 4,200 access() calls. And its log connects
 * to syslog, where nothing of an enclave belongs.
 */
uint64_t __real_get_tsc_freq(void);
uint64_t __wrap_get_tsc_freq(void);
int __wrap_eal_cpu_detected(unsigned int cpu);
unsigned int __real_eal_cpu_socket_id(unsigned int cpu);
unsigned int __wrap_eal_cpu_socket_id(unsigned int cpu);
int __wrap_eal_log_init(const char *id, int facility);

uint64_t __wrap_get_tsc_freq(void)
{
	return eal.tsc_hz ? eal.tsc_hz : __real_get_tsc_freq();
}

int __wrap_eal_cpu_detected(unsigned int cpu)
{
	return CPU_ISSET(cpu, &eal.cpus);
}

unsigned int __wrap_eal_cpu_socket_id(unsigned int cpu)
{
	return CPU_ISSET(cpu, &eal.cpus) ? __real_eal_cpu_socket_id(cpu) : 0;
}

int __wrap_eal_log_init(const char *id, int facility)
{
	(void)id;
	(void)facility;
	return 0;
}

/* DPDK's log goes into one line of memory; after the lock-down too. */
static ssize_t log_write(void *cookie, const char *text, size_t len)
{
	size_t n = len;

	(void)cookie;
	while (n && (text[n - 1] == '\n' || text[n - 1] == ' '))
		n--;
	if (n >= sizeof(eal.error))
		n = sizeof(eal.error) - 1;
	if (n) {
		memcpy(eal.error, text, n);
		eal.error[n] = '\0';
	}
	return (ssize_t)len;
}

static int log_open(void)
{
	static const cookie_io_functions_t io = { .write = log_write };

	eal.log = fopencookie(NULL, "w", io);
	if (!eal.log)
		return -ENOMEM;
	setvbuf(eal.log, eal.log_buffer, _IOLBF, sizeof(eal.log_buffer));
	return rte_openlog_stream(eal.log);
}

static unsigned long free_huge_pages(void)
{
	unsigned long n = 0;
	FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "re");

	if (!f)
		return 0;
	if (fscanf(f, "%lu", &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

/* "0@(0,1,3)": lcore 0 may run wherever this thread may now: no pinning. */
static int format_lcores(char *text, size_t size)
{
	size_t n = (size_t)snprintf(text, size, "--lcores=0@(");
	const char *comma = "";

	for (unsigned int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &eal.cpus))
			continue;
		n += (size_t)snprintf(text + n, size - n, "%s%u", comma, cpu);
		if (n + 2 > size)
			return -E2BIG;
		comma = ",";
	}
	text[n] = ')';
	text[n + 1] = '\0';
	return 0;
}

struct eal_args {
	int count;
	char *arg[ARGS_MAX];
	char lcores[4096];
	char memory[32];
	char base[48];
};

static void add_arg(struct eal_args *args, const char *text)
{
	args->arg[args->count++] = (char *)text;
}

static int make_args(struct eal_args *args, const struct rt_eal_config *config)
{
	int err = format_lcores(args->lcores, sizeof(args->lcores));

	if (err)
		return err;
	snprintf(args->memory, sizeof(args->memory), "-m%zu",
		 config->memory_bytes / MIB);
	snprintf(args->base, sizeof(args->base), "--base-virtaddr=0x%lx",
		 RT_EAL_BASE);
	add_arg(args, "rkt-io");
	add_arg(args, args->lcores);
	add_arg(args, args->memory);
	add_arg(args, args->base);
	add_arg(args, "--iova-mode=va");	/* root would get PA */
	add_arg(args, "--no-pci");
	add_arg(args, "--no-telemetry");
	add_arg(args, "--log-level=*:error");
	/*
	 * Twice what is needed, as other processes take huge pages too; a lack
	 * of them at this point could not be repaired: EAL starts only once.
	 */
	if (free_huge_pages() >= 2 * config->memory_bytes / HUGE_PAGE_BYTES) {
		add_arg(args, "--in-memory");
		add_arg(args, "--single-file-segments");
	} else {
		add_arg(args, "--no-shconf");
		add_arg(args, "--no-huge");
	}
	return 0;
}

static int find_memory(const struct rte_memseg_list *msl, void *arg)
{
	uintptr_t start = (uintptr_t)msl->base_va;

	(void)arg;
	if (!eal.memory_start || start < eal.memory_start)
		eal.memory_start = start;
	if (start + msl->len > eal.memory_end)
		eal.memory_end = start + msl->len;
	return 0;
}

/* EAL takes its base as a hint only; the address map does not. */
static int check_memory(void)
{
	rte_memseg_list_walk(find_memory, NULL);
	if (eal.memory_start < RT_EAL_BASE ||
	    eal.memory_end > RT_EAL_BASE + RT_EAL_SPAN) {
		snprintf(eal.error, sizeof(eal.error),
			 "memory at %#" PRIxPTR ", not in its place",
			 eal.memory_start);
		return -EADDRNOTAVAIL;
	}
	return 0;
}

int rt_eal_start(const struct rt_eal_config *config)
{
	struct eal_args args = { 0 };
	sigset_t all, before;
	int err;

	eal.tsc_hz = config->tsc_hz;
	if (sched_getaffinity(0, sizeof(eal.cpus), &eal.cpus))
		return -errno;
	err = log_open();
	if (err)
		return err;
	err = make_args(&args, config);
	if (err)
		return err;

	/* EAL's threads inherit the mask: none of them ever takes a signal. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = rte_eal_init(args.count, args.arg) < 0 ? -rte_errno : 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	sched_setaffinity(0, sizeof(eal.cpus), &eal.cpus);
	if (err)
		return err;
	eal.running = true;
	return check_memory();
}

/* An alarm of EAL is a call by its interrupt thread: the only way into it. */
static void park_eal_thread(void *unused)
{
	(void)unused;
	rt_lockdown_start_thread();
	for (;;)
		hostcall_ppoll(NULL, 0, NULL);
}

void rt_eal_start_lockdown(void)
{
	if (!eal.running || !rt_lockdown_wanted())
		return;
	if (rte_eal_alarm_set(1, park_eal_thread, NULL))
		rt_fail("cannot lock EAL's thread down");
	rt_lockdown_start_await(1);
}
