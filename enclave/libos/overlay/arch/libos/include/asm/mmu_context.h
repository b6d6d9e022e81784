/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_MMU_CONTEXT_H
#define _ASM_LIBOS_MMU_CONTEXT_H
#include <linux/mm_types.h>
#include <asm-generic/mm_hooks.h>

extern void libos_switch_mm(struct mm_struct *next);
extern int libos_init_context(struct task_struct *task, struct mm_struct *mm);
extern void libos_destroy_context(struct mm_struct *mm);

static inline void switch_mm(struct mm_struct *prev, struct mm_struct *next,
			     struct task_struct *task)
{
	libos_switch_mm(next);
}
#define switch_mm_irqs_off switch_mm
#define activate_mm(prev, next) libos_switch_mm(next)

#define init_new_context init_new_context
static inline int init_new_context(struct task_struct *task, struct mm_struct *mm)
{
	return libos_init_context(task, mm);
}

#define destroy_context destroy_context
static inline void destroy_context(struct mm_struct *mm)
{
	libos_destroy_context(mm);
}
#include <asm-generic/mmu_context.h>
#endif
