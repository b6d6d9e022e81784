/* SPDX-License-Identifier: GPL-2.0-only */
/* The embedded DPDK environment (EAL): started once, and only when a port needs it. */
#ifndef RT_EAL_H
#define RT_EAL_H

#include <stddef.h>
#include <stdint.h>

/*
 * Where EAL puts its tables and the DMA region, and how much address space it
 * may reserve from there on; part of the address map.
 */
#define RT_EAL_BASE	0x640000000000UL
#define RT_EAL_SPAN	0x004000000000UL

struct rt_eal_config {
	size_t memory_bytes;	/* multiple of 2 MiB */
	uint64_t tsc_hz;	/* 0: let EAL measure it, which takes 100 ms */
};

/*
 * Start EAL on the calling thread, which becomes its lcore 0: call it on the
 * host thread that is CPU 0, before the lock-down. Returns 0 or -errno;
 * rt_eal_error() then says why.
 */
int rt_eal_start(const struct rt_eal_config *config);

/*
 * Lock EAL's own thread down, where EAL runs. Nothing that the tap needs is
 * done by that thread, so it never does anything again.
 */
void rt_eal_start_lockdown(void);

/* The last line that DPDK logged as an error; "" when there was none. */
const char *rt_eal_error(void);

/* The memory that DPDK allocates from: its start, and its size in bytes. */
size_t rt_eal_memory(const void **ret_start);

#endif /* RT_EAL_H */
