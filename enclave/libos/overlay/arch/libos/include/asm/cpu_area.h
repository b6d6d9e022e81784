/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_CPU_AREA_H
#define _ASM_LIBOS_CPU_AREA_H
/*
 * The hot per-CPU words. GS base is the CPU's per-CPU offset, as on x86, so
 * assembly reaches them as %gs:libos_cpu+LIBOS_CPU_xxx(%rip).
 */
#define LIBOS_CPU_CURRENT	0
#define LIBOS_CPU_KERNEL_SP	8
#define LIBOS_CPU_IRQS_OFF	16
#define LIBOS_CPU_PENDING	24
#define LIBOS_CPU_STATE		32
#define LIBOS_CPU_HOST_FS	40
#define LIBOS_CPU_HOST_SP	48

/* Where a CPU's host thread is, for those who want to interrupt it. */
#define LIBOS_STATE_KERNEL	0
#define LIBOS_STATE_USER	1

/* Bits of .pending: interrupts that wait for irqs to be enabled. */
#define LIBOS_PENDING_RESCHED	(1UL << 0)
#define LIBOS_PENDING_CALL	(1UL << 1)
#define LIBOS_PENDING_TICK	(1UL << 2)
#define LIBOS_PENDING_SIGNAL	(1UL << 3)
#define LIBOS_PENDING_IRQ_WORK	(1UL << 4)

#ifndef __ASSEMBLY__
#include <linux/types.h>
struct task_struct;

struct libos_cpu {
	struct task_struct *current_task;
	unsigned long kernel_sp;	/* end of the current task's pt_regs */
	unsigned long irqs_off;
	unsigned long pending;
	unsigned int state;
	unsigned int cpu;
	unsigned long host_fs;		/* FS base of the CPU's host thread */
	unsigned long host_sp;		/* stack for C of the host side */
	u64 next_event_tsc;
	u64 next_poll_tsc;
	u64 last_work_tsc;
	struct task_struct *fpu_owner;	/* whose SIMD registers are loaded */
	unsigned int in_kernel_fpu;
	unsigned int spins;
	unsigned int poll_skip;
};
#endif
#endif
