// SPDX-License-Identifier: GPL-2.0-only
/* --stats: what the enclave did, on standard error at its end. */
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "../baseline/baseline.h"
#include "blk.h"
#include "console.h"
#include "hostcall.h"
#include "nvme.h"
#include "runtime.h"

#include "../libos/overlay/arch/libos/include/asm/runtime_net.h"

bool rt_stats_wanted;

/* After the lock-down: stdio's own buffer, and its write(), are out of reach. */
static struct {
	size_t used;
	char bytes[4096];
} text;

__attribute__((format(printf, 1, 2)))
static void print(const char *format, ...)
{
	size_t room = sizeof(text.bytes) - text.used;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text.bytes + text.used, room, format, args);
	va_end(args);
	if (n > 0)
		text.used += (size_t)n < room ? (size_t)n : room - 1;
}

static void print_kernel(void)
{
	const struct libos_stats *s = &libos_stats;

	print("rkt-io: system calls %lu, trapped %lu, sites rewritten %lu\n",
		s->syscalls, s->trapped, s->rewritten);
	print("rkt-io: host calls %lu, sleeps %lu, ticks %lu\n",
		hostcall_count, s->idle_waits, s->ticks);
	print("rkt-io: page faults %lu, refills %lu, maps %lu, unmaps %lu, protects %lu, slot switches %lu, full flushes %lu\n",
		s->faults, s->refills, s->host_maps, s->host_unmaps, s->host_protects,
		s->slot_switches, s->full_flushes);
}

static void print_net(void)
{
	struct rt_net_stats s;

	if (!rt_net_info)
		return;
	rt_net_stats(&s);
	print("rkt-io: packets sent %lu (%lu bytes), received %lu (%lu bytes), dropped %lu; ",
		s.tx_packets, s.tx_bytes, s.rx_packets, s.rx_bytes, s.tx_dropped + s.rx_dropped);
	if (s.direct)
		print("direct: %lu kicks, %lu looks at the link, %lu yields, %lu connections, ring full %lu\n",
			s.kicks, s.link_checks, s.yields, s.connects, s.tx_full);
	else
		print("not direct: %lu writes, %lu reads (%lu empty) of the tap\n",
			s.host_writes, s.host_reads, s.host_reads_empty);
	for (unsigned int i = 0; s.queues > 1 && i < s.queues; i++)
		print("rkt-io: queue %u: packets sent %lu, received %lu\n", i, s.tx_queue[i], s.rx_queue[i]);
}

static void print_blk(void)
{
	struct rt_blk_stats s;

	rt_blk_stats_read(&s);
	print("rkt-io: blocks read %llu (%llu bytes), written %llu (%llu bytes), flushes %llu; files, not direct: %llu calls of %s; vhost-user, direct: %llu kicks, %llu looks\n",
		s.requests[RT_BLK_READ], s.read_bytes, s.requests[RT_BLK_WRITE],
		s.written_bytes, s.requests[RT_BLK_FLUSH], s.enters,
		rt_blk_uses_io_uring() ? "io_uring" : "preadv2, pwritev2 and fdatasync",
		s.kicks, s.looks);
}

static void print_baseline(void)
{
	uint64_t cycles, crossings = rt_baseline_crossings(&cycles);

	if (crossings)
		print("rkt-io: baseline libos-host: %lu world switches of %lu cycles\n", crossings, cycles);
}

static void print_nvme(void)
{
	const struct rt_nvme_stats *s = &libos_nvme_stats;

	if (rt_nvme_count())
		print("rkt-io: NVMe commands %llu, read %llu bytes, written %llu bytes, flushes %llu; direct: interrupts armed %llu times\n",
			s->commands, s->read_bytes, s->written_bytes, s->flushes, s->armed);
}

void rt_stats_print(void)
{
	print_baseline();
	print_kernel();
	print_net();
	print_blk();
	print_nvme();
	rt_console_write_all(STDERR_FILENO, text.bytes, text.used);
}
