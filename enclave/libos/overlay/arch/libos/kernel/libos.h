/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ARCH_LIBOS_H
#define _ARCH_LIBOS_H
/* What the files of this architecture share among themselves. */
#include <linux/types.h>
#include <asm/cpu_area.h>
#include <asm/percpu.h>
#include <asm/runtime.h>

struct task_struct;
struct pt_regs;
struct mm_struct;

/* fpu.c */
extern unsigned int libos_xsave_bytes;
void libos_fpu_save(struct task_struct *task);
void libos_fpu_load(void);
void *libos_fpu_snapshot(void);
void libos_fpu_replace(void);
void libos_fpu_flush(void);
u64 libos_fpu_features(void);

/* called from entry.S */
void libos_first_run(struct task_struct *prev, int (*fn)(void *), void *arg, struct pt_regs *regs);
void libos_trapped_syscall(struct pt_regs *regs);
void libos_user_fault(struct pt_regs *regs);
void libos_kernel_fault(struct pt_regs *regs);

/* process.c, trap.c, signal.c */
void libos_exit_work(struct pt_regs *regs);
int libos_do_syscall(struct pt_regs *regs);
void libos_do_signal(struct pt_regs *regs);

/* rewrite.c */
void libos_rewrite_site(struct pt_regs *regs);

/* time.c, idle.c, smp.c */
void libos_timer_poll(void);
void libos_clockevent_init(void);
void libos_poll_all(void);
void libos_raise(unsigned int cpu, unsigned long bit);
void libos_set_cpus(unsigned int count);
extern unsigned int libos_poll_mode;

/* ../mm */
bool libos_tlb_refill(unsigned long address, unsigned long error);
void libos_check_pin(void);
void libos_check_new_pin(void);
void libos_drop_deferred(struct task_struct *task);
int libos_fault(struct pt_regs *regs, unsigned long address, unsigned long error, bool user);

#define LIBOS_FAULT_WRITE	2	/* bits of the page-fault error code */
#define LIBOS_FAULT_FETCH	16
#endif
