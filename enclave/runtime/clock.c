// SPDX-License-Identifier: GPL-2.0-only
/*
 * The time of day: asked of the host once, before the lock-down, and kept by
 * the time stamp counter from then on.
 */
#include "runtime.h"

static struct {
	unsigned long long realtime_ns, tsc;
	unsigned long tsc_khz;
} start;

static unsigned long long read_tsc(void)
{
	return __builtin_ia32_rdtsc();
}

void rt_clock_start(unsigned long tsc_khz)
{
	struct timespec host_time = { 0 };

	clock_gettime(CLOCK_REALTIME, &host_time);
	start.tsc = read_tsc();
	start.realtime_ns = host_time.tv_sec * 1000000000ULL + host_time.tv_nsec;
	start.tsc_khz = tsc_khz;
}

unsigned long long rt_realtime_ns(void)
{
	unsigned long long cycles = read_tsc() - start.tsc;

	/* In two parts: the product of all cycles would overflow after hours. */
	return start.realtime_ns + cycles / start.tsc_khz * 1000000 +
	       cycles % start.tsc_khz * 1000000 / start.tsc_khz;
}
