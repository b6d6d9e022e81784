// SPDX-License-Identifier: GPL-2.0-only
/* Where mappings go: the program's slot from the top down, else the wide area. */
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/personality.h>
#include <linux/random.h>
#include <linux/security.h>
#include <linux/sched/mm.h>
#include "shadow.h"

#define RANDOM_PAGES	(1UL << 18)	/* 1 GiB of randomisation */

void arch_pick_mmap_layout(struct mm_struct *mm, struct rlimit *rlim_stack)
{
	unsigned long top = ((unsigned long)mm->context.home + 1) << LIBOS_SLOT_SHIFT;

	mm->mmap_base = top - LIBOS_STACK_GAP - LIBOS_STUB_BYTES;
	if (current->flags & PF_RANDOMIZE)
		mm->mmap_base -= (get_random_long() % RANDOM_PAGES) << PAGE_SHIFT;
	set_bit(MMF_TOPDOWN, &mm->flags);
}

static bool in_hole(unsigned long addr, unsigned long len)
{
	return addr < libos_ram_end && addr + len > LIBOS_IMAGE_BASE;
}

static bool is_free(struct mm_struct *mm, unsigned long addr, unsigned long len)
{
	struct vm_area_struct *prev, *vma = find_vma_prev(mm, addr, &prev);

	return (!vma || addr + len <= vm_start_gap(vma)) && (!prev || addr >= vm_end_gap(prev));
}

static unsigned long search(struct mm_struct *mm, struct file *file, unsigned long len, unsigned long flags)
{
	struct vm_unmapped_area_info info = {
		.flags = VM_UNMAPPED_AREA_TOPDOWN,
		.length = len,
		.low_limit = (unsigned long)mm->context.home << LIBOS_SLOT_SHIFT,
		.high_limit = mm->mmap_base,
	};
	unsigned long addr = vm_unmapped_area(&info);

	if (!offset_in_page(addr))
		return addr;
	info.flags = 0;
	info.low_limit = (unsigned long)LIBOS_WIDE_SLOT << LIBOS_SLOT_SHIFT;
	info.high_limit = LIBOS_USER_END - LIBOS_SLOT_BYTES;
	return vm_unmapped_area(&info);
}

unsigned long arch_get_unmapped_area_topdown(struct file *file, unsigned long addr, unsigned long len,
					     unsigned long pgoff, unsigned long flags, vm_flags_t vm_flags)
{
	struct mm_struct *mm = current->mm;

	if (len > LIBOS_USER_END - LIBOS_SLOT_BYTES)
		return -ENOMEM;
	if (flags & MAP_FIXED) {
		if (in_hole(addr, len))
			return -ENOMEM;
	} else {
		addr = PAGE_ALIGN(addr);
		if (addr < max(mmap_min_addr, LIBOS_LOWEST_USER) || addr > LIBOS_USER_END - len ||
		    in_hole(addr, len) || !is_free(mm, addr, len))
			addr = search(mm, file, len, flags);
		if (offset_in_page(addr))
			return addr;
	}
	libos_claim(mm, addr, addr + len);
	return addr;
}

unsigned long arch_get_unmapped_area(struct file *file, unsigned long addr, unsigned long len,
				     unsigned long pgoff, unsigned long flags, vm_flags_t vm_flags)
{
	return arch_get_unmapped_area_topdown(file, addr, len, pgoff, flags, vm_flags);
}

static const pgprot_t protection_map[16] = {
	PAGE_NONE, PAGE_READONLY, PAGE_COPY, PAGE_COPY,
	PAGE_READONLY_EXEC, PAGE_READONLY_EXEC, PAGE_COPY_EXEC, PAGE_COPY_EXEC,
	PAGE_NONE, PAGE_READONLY, PAGE_SHARED, PAGE_SHARED,
	PAGE_READONLY_EXEC, PAGE_READONLY_EXEC, PAGE_SHARED_EXEC, PAGE_SHARED_EXEC,
};
DECLARE_VM_GET_PAGE_PROT
