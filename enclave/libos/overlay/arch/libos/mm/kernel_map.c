// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmalloc's mappings. They are given to the host when they are made, so that
 * the kernel takes no faults on its own memory, and taken back when flushed.
 */
#include <linux/mm.h>
#include <asm/cacheflush.h>
#include <asm/tlbflush.h>
#include "shadow.h"

pgd_t swapper_pg_dir[PTRS_PER_PGD] __page_aligned_bss;

static u64 entry_at(unsigned long va)
{
	u64 *pmd = find_pmd(&init_mm, va);

	if (!pmd || !*pmd)
		return 0;
	return ((u64 *)__va(*pmd & _PFN_MASK))[index_of(va, PAGE_SHIFT)];
}

void libos_map_kernel(unsigned long start, unsigned long end)
{
	unsigned long va, next;

	for (va = start; va < end; va = next) {
		u64 first = entry_at(va);

		next = va + PAGE_SIZE;
		if (!(first & _PAGE_PRESENT))
			continue;
		while (next < end && shadow_of(entry_at(next)) == shadow_of(first) + (next - va))
			next += PAGE_SIZE;
		if (shadow_map(va, next - va, first & _PFN_MASK, mode_of(first), false))
			panic("no room in the host for vmalloc");
	}
}

/* The range may span areas that live: only what is not in the tables goes. */
void libos_tlb_flush_kernel(unsigned long start, unsigned long end)
{
	unsigned long va = max(start, LIBOS_VMALLOC_START), gap = 0;

	for (; va < min(end, LIBOS_VMALLOC_END); va += PAGE_SIZE) {
		if (!(entry_at(va) & _PAGE_PRESENT)) {
			gap = gap ?: va;
			continue;
		}
		if (gap)
			shadow_unmap(gap, va - gap);
		gap = 0;
	}
	if (gap)
		shadow_unmap(gap, va - gap);
}
