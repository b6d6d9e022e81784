/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_TLB_H
#define _ASM_LIBOS_TLB_H
struct mmu_gather;
static void tlb_flush(struct mmu_gather *tlb);
#define tlb_flush tlb_flush
#include <asm-generic/tlb.h>

/* One diff of the range, also where page tables went: a walker holds the lock. */
static inline void tlb_flush(struct mmu_gather *tlb)
{
	if (tlb->fullmm || tlb->need_flush_all)
		libos_tlb_flush(tlb->mm, 0, TASK_SIZE);
	else
		libos_tlb_flush(tlb->mm, tlb->start, tlb->end);
}
#endif
