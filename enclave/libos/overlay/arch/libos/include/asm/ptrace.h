/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_PTRACE_H
#define _ASM_LIBOS_PTRACE_H
#include <uapi/asm/ptrace.h>
#include <uapi/asm/processor-flags.h>
#ifndef __ASSEMBLY__

/* x86-64's layout; entry.S pushes it. */
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx;
	unsigned long r11, r10, r9, r8, ax, cx, dx, si, di;
	unsigned long orig_ax;
	unsigned long ip, cs, flags, sp, ss;
};

#define LIBOS_USER_CS	0x33	/* the host's selectors of 64-bit user mode */
#define LIBOS_USER_SS	0x2b
#define LIBOS_KERNEL_CS	0x10	/* a mark in pt_regs, never loaded */

#define user_mode(regs)			((regs)->cs & 3)
#define instruction_pointer(regs)	((regs)->ip)
#define instruction_pointer_set(regs, v) ((regs)->ip = (v))
#define profile_pc(regs)		((regs)->ip)
#define user_stack_pointer(regs)	((regs)->sp)
#define frame_pointer(regs)		((regs)->bp)
#define kernel_stack_pointer(regs)	((unsigned long)(regs))
#define regs_return_value(regs)		((regs)->ax)
#define current_user_stack_pointer()	(current_pt_regs()->sp)
#define arch_has_single_step()		0

static inline void regs_set_return_value(struct pt_regs *regs, unsigned long value)
{
	regs->ax = value;
}

static inline bool is_syscall_success(struct pt_regs *regs)
{
	return regs->ax < (unsigned long)-4095;
}
#endif
#endif
