// SPDX-License-Identifier: GPL-2.0-only
/* The frequency of the time stamp counter, found once at start. */
#include <linux/perf_event.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime.h"

static uint64_t rdtsc(void)
{
	uint32_t low, high;

	asm volatile("rdtsc" : "=a" (low), "=d" (high));
	return (uint64_t)high << 32 | low;
}

static uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000UL + ts.tv_nsec;
}

/* The host tells it to programs that read performance events: ns = tsc * mult >> shift. */
static unsigned long khz_from_perf(void)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr), .type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_DUMMY, .exclude_kernel = 1,
	};
	const struct perf_event_mmap_page *page;
	unsigned long khz = 0;
	int fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		return 0;
	page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (page == MAP_FAILED)
		return 0;
	if (page->cap_user_time && page->time_mult)
		khz = ((__uint128_t)1000000 << page->time_shift) / page->time_mult;
	munmap((void *)page, 4096);
	return khz;
}

/* 10 ms: 1 us of error at either end is 0.02%. */
static unsigned long khz_measured(void)
{
	uint64_t start_ns = monotonic_ns(), start = rdtsc(), now_ns;

	do {
		now_ns = monotonic_ns();
	} while (now_ns < start_ns + 10000000);
	return (rdtsc() - start) * 1000000 / (now_ns - start_ns);
}

unsigned long rt_tsc_khz(void)
{
	unsigned long khz = khz_from_perf();

	return khz ? khz : khz_measured();
}
