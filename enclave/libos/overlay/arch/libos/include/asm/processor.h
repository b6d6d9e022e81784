/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_PROCESSOR_H
#define _ASM_LIBOS_PROCESSOR_H
#include <asm/layout.h>
#include <asm/page.h>
#include <asm/ptrace.h>
#include <asm/relax.h>
#include <linux/types.h>

struct task_struct;

struct thread_struct {
	unsigned long sp;		/* saved kernel stack pointer */
	unsigned long fsbase;
	void *fpu;			/* XSAVE area, 64-byte aligned */
	unsigned int fpu_cpu;		/* CPU that last loaded it */
	unsigned long fault_page;	/* page that handle_mm_fault works on */
	unsigned long deferred_flush;	/* its flush, left to the refill */
	int pin;			/* CPU + 1 that it shares a slot on, or 0 */
	unsigned long trap_nr, error_code, fault_address;	/* of the last fault */
	int fault_signal, fault_code;
};
#define INIT_THREAD { }
#define ARCH_MIN_TASKALIGN 64

#define TASK_SIZE		LIBOS_USER_END
#define STACK_TOP_MAX		TASK_SIZE
#define STACK_TOP		(libos_home_base() + LIBOS_SLOT_BYTES - 0x1000000)
#define TASK_UNMAPPED_BASE	(libos_home_base() + 2 * LIBOS_PIE_OFFSET)
#define HAVE_ARCH_PICK_MMAP_LAYOUT

/* Start of the VA slot of the current program. */
extern unsigned long libos_home_base(void);

/* pt_regs are 168 bytes: 8 below the top keep calls from assembly aligned. */
#define LIBOS_STACK_PADDING	8
#define task_pt_regs(task) \
	((struct pt_regs *)((unsigned long)task_stack_page(task) + THREAD_SIZE - LIBOS_STACK_PADDING) - 1)
#define current_pt_regs()	task_pt_regs(current)
#define KSTK_EIP(task)		(task_pt_regs(task)->ip)
#define KSTK_ESP(task)		(task_pt_regs(task)->sp)

extern void start_thread(struct pt_regs *regs, unsigned long ip, unsigned long sp);
extern void flush_thread(void);
extern unsigned long __get_wchan(struct task_struct *task);

#define ARCH_HAS_PREFETCH
static inline void prefetch(const void *x) { __builtin_prefetch(x, 0, 3); }
#define ARCH_HAS_PREFETCHW
static inline void prefetchw(const void *x) { __builtin_prefetch(x, 1, 3); }
#endif
