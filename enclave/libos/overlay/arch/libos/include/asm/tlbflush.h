/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_TLBFLUSH_H
#define _ASM_LIBOS_TLBFLUSH_H
#include <linux/mm.h>

/* Make the host's mappings agree with the page tables of @mm (NULL: any). */
extern void libos_tlb_flush(struct mm_struct *mm, unsigned long start, unsigned long end);
extern void libos_tlb_flush_kernel(unsigned long start, unsigned long end);

static inline void flush_tlb_all(void)
{
	libos_tlb_flush(NULL, 0, TASK_SIZE);
}

static inline void flush_tlb_mm(struct mm_struct *mm)
{
	libos_tlb_flush(mm, 0, TASK_SIZE);
}

static inline void flush_tlb_range(struct vm_area_struct *vma, unsigned long start, unsigned long end)
{
	libos_tlb_flush(vma->vm_mm, start, end);
}

static inline void flush_tlb_page(struct vm_area_struct *vma, unsigned long addr)
{
	libos_tlb_flush(vma->vm_mm, addr & PAGE_MASK, (addr & PAGE_MASK) + PAGE_SIZE);
}

static inline void flush_tlb_kernel_range(unsigned long start, unsigned long end)
{
	libos_tlb_flush_kernel(start, end);
}
#endif
