// SPDX-License-Identifier: GPL-2.0-only
/* Page faults that the page tables do not answer. */
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include "shadow.h"

#define SEGV(code)	(SIGSEGV | (code) << 8)

static unsigned int flags_of(unsigned long error, bool user)
{
	return FAULT_FLAG_DEFAULT | (user ? FAULT_FLAG_USER : 0) |
	       (error & LIBOS_FAULT_WRITE ? FAULT_FLAG_WRITE : 0) |
	       (error & LIBOS_FAULT_FETCH ? FAULT_FLAG_INSTRUCTION : 0);
}

static bool vma_allows(struct vm_area_struct *vma, unsigned long error)
{
	if (error & LIBOS_FAULT_WRITE)
		return vma->vm_flags & VM_WRITE;
	if (error & LIBOS_FAULT_FETCH)
		return vma->vm_flags & VM_EXEC;
	return vma->vm_flags & (VM_READ | VM_WRITE | VM_EXEC);
}

static int signal_of(vm_fault_t fault)
{
	if (fault & VM_FAULT_OOM) {
		pagefault_out_of_memory();
		return 0;
	}
	return fault & VM_FAULT_SIGSEGV ? SEGV(SEGV_MAPERR) : SIGBUS | BUS_ADRERR << 8;
}

/* The refill maps over what copy-on-write left mapped, or the flush is made up. */
static void finish(struct mm_struct *mm, unsigned long address, unsigned long error)
{
	current->thread.fault_page = 0;
	if (libos_tlb_refill(address, error))
		current->thread.deferred_flush = 0;
	else
		libos_drop_deferred(current);
}

/*
 * Returns 0 when the access may be tried again, else the signal and its code
 * (signal | code << 8); for the kernel's own accesses only "non-zero" counts.
 */
int libos_fault(struct pt_regs *regs, unsigned long address, unsigned long error, bool user)
{
	struct mm_struct *mm = current->mm;
	unsigned int flags = flags_of(error, user);
	struct vm_area_struct *vma;
	vm_fault_t fault;

	libos_stats.faults++;
	if (!mm || faulthandler_disabled() || address >= LIBOS_USER_END || address < LIBOS_LOWEST_USER)
		return SEGV(SEGV_MAPERR);
retry:
	vma = lock_mm_and_find_vma(mm, address, regs);
	if (!vma)
		return SEGV(SEGV_MAPERR);
	if (!vma_allows(vma, error)) {
		mmap_read_unlock(mm);
		return SEGV(SEGV_ACCERR);
	}
	current->thread.fault_page = address & PAGE_MASK;
	fault = handle_mm_fault(vma, address, flags, regs);
	if (fault & (VM_FAULT_ERROR | VM_FAULT_RETRY) || fault_signal_pending(fault, regs))
		libos_drop_deferred(current);
	if (fault_signal_pending(fault, regs))
		return user ? 0 : SEGV(SEGV_MAPERR);
	if (!(fault & VM_FAULT_COMPLETED)) {
		if (fault & VM_FAULT_RETRY) {
			flags |= FAULT_FLAG_TRIED;
			goto retry;
		}
		mmap_read_unlock(mm);
		if (fault & VM_FAULT_ERROR)
			return user ? signal_of(fault) : SEGV(SEGV_MAPERR);
	}
	finish(mm, address, error);
	return 0;
}
