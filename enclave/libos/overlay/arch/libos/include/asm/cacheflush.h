/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_CACHEFLUSH_H
#define _ASM_LIBOS_CACHEFLUSH_H
/* vmalloc's mappings go to the host at once: the kernel never faults on them. */
extern void libos_map_kernel(unsigned long start, unsigned long end);
#define flush_cache_vmap(start, end) libos_map_kernel(start, end)
#define flush_cache_vmap_early(start, end) libos_map_kernel(start, end)
#include <asm-generic/cacheflush.h>
#endif
