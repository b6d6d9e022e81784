/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_TIMEX_H
#define _ASM_LIBOS_TIMEX_H
static __always_inline unsigned long long libos_rdtsc(void)
{
	unsigned int low, high;

	asm volatile("rdtsc" : "=a" (low), "=d" (high));
	return (unsigned long long)high << 32 | low;
}

typedef unsigned long cycles_t;
static inline cycles_t get_cycles(void) { return libos_rdtsc(); }
#define get_cycles get_cycles

extern unsigned long libos_tsc_khz;
static inline unsigned long long libos_us_to_tsc(unsigned long us)
{
	return us * libos_tsc_khz / 1000;
}
#endif
