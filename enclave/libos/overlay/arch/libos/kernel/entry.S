// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ways into the library kernel and out of it.
 *
 *   libos_entry		a call site that knows us: registers as for the syscall
 *			instruction, reached by a jump, rcx = where to go on
 *   libos_async_*	from the host's signals: pt_regs are already on the kernel
 *			stack, and the application goes on by iretq (ring 3 to
 *			ring 3), so that nothing touches its stack
 *
 * A host signal that finds us between the last look at what is pending and the
 * application sends us back to that look (libos_trap does, by the labels here).
 */
#include <linux/linkage.h>
#include <asm/asm-offsets.h>
#include <asm/cpu_area.h>

#define CPU(field)	%gs:libos_cpu+LIBOS_CPU_##field(%rip)

/* struct pt_regs */
#define R15	0
#define R14	8
#define R13	16
#define R12	24
#define BP	32
#define BX	40
#define R11	48
#define R10	56
#define R9	64
#define R8	72
#define AX	80
#define CX	88
#define DX	96
#define SI	104
#define DI	112
#define ORIG_AX	120
#define IP	128
#define SP	152

	.text

SYM_CODE_START(libos_entry)
	movq	%rsp, %r11
	movq	CPU(KERNEL_SP), %rsp
	pushq	$0x2b			/* ss */
	pushq	%r11			/* sp */
	pushq	$0x202			/* flags: interrupts are always on */
	pushq	$0x33			/* cs */
	pushq	%rcx			/* ip */
	pushq	%rax			/* orig_ax */
	pushq	%rdi
	pushq	%rsi
	pushq	%rdx
	pushq	%rcx
	pushq	$-38			/* ax = -ENOSYS */
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	$0x202			/* r11 */
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movl	$LIBOS_STATE_KERNEL, CPU(STATE)
	movq	%rsp, %rdi
	cld
	call	libos_do_syscall
	testl	%eax, %eax
	jnz	libos_exit_full_restart

SYM_INNER_LABEL(libos_exit_fast_restart, SYM_L_GLOBAL)
	movl	$LIBOS_STATE_USER, CPU(STATE)
	cmpq	$0, CPU(PENDING)
	jne	.Lfast_work
SYM_INNER_LABEL(libos_exit_fast_begin, SYM_L_GLOBAL)
	movq	AX(%rsp), %rax
	movq	DI(%rsp), %rdi
	movq	SI(%rsp), %rsi
	movq	DX(%rsp), %rdx
	movq	R10(%rsp), %r10
	movq	R9(%rsp), %r9
	movq	R8(%rsp), %r8
	movq	IP(%rsp), %rcx
	movq	SP(%rsp), %rsp
SYM_INNER_LABEL(libos_exit_fast_jump, SYM_L_GLOBAL)
	jmp	*%rcx

.Lfast_work:
	movl	$LIBOS_STATE_KERNEL, CPU(STATE)
	movq	%rsp, %rdi
	call	libos_exit_work
	jmp	libos_exit_full_restart
SYM_CODE_END(libos_entry)

/* Everything from pt_regs at rsp; may be rewound until the iretq. */
SYM_CODE_START(libos_exit_full)
SYM_INNER_LABEL(libos_exit_full_restart, SYM_L_GLOBAL)
	movl	$LIBOS_STATE_USER, CPU(STATE)
	cmpq	$0, CPU(PENDING)
	jne	.Lfull_work
SYM_INNER_LABEL(libos_exit_full_begin, SYM_L_GLOBAL)
	movq	R15(%rsp), %r15
	movq	R14(%rsp), %r14
	movq	R13(%rsp), %r13
	movq	R12(%rsp), %r12
	movq	BP(%rsp), %rbp
	movq	BX(%rsp), %rbx
	movq	R11(%rsp), %r11
	movq	R10(%rsp), %r10
	movq	R9(%rsp), %r9
	movq	R8(%rsp), %r8
	movq	AX(%rsp), %rax
	movq	CX(%rsp), %rcx
	movq	DX(%rsp), %rdx
	movq	SI(%rsp), %rsi
	movq	DI(%rsp), %rdi
	leaq	IP(%rsp), %rsp
SYM_INNER_LABEL(libos_exit_full_iret, SYM_L_GLOBAL)
	iretq

.Lfull_work:
	movl	$LIBOS_STATE_KERNEL, CPU(STATE)
	movq	%rsp, %rdi
	call	libos_exit_work
	jmp	libos_exit_full_restart
SYM_CODE_END(libos_exit_full)

.macro async name, function
SYM_CODE_START(\name)
	movl	$LIBOS_STATE_KERNEL, CPU(STATE)
	movq	%rsp, %rdi
	cld
	call	\function
	jmp	libos_exit_full_restart
SYM_CODE_END(\name)
.endm

async libos_async_syscall, libos_trapped_syscall
async libos_async_fault, libos_user_fault
async libos_async_tick, libos_exit_work

/* A fault of the kernel itself, on its own stack below what it was doing. */
SYM_CODE_START(libos_async_kernel_fault)
	movq	%rsp, %rdi
	cld
	call	libos_kernel_fault
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rax
	popq	%rcx
	popq	%rdx
	popq	%rsi
	popq	%rdi
	addq	$8, %rsp
	iretq
SYM_CODE_END(libos_async_kernel_fault)

/* prev (rdi), next (rsi): switch stacks, return prev on the other side. */
SYM_CODE_START(libos_switch_stack)
	pushq	%rbp
	pushq	%rbx
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, THREAD_SP(%rdi)
	movq	THREAD_SP(%rsi), %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
	movq	%rdi, %rax
	ret
SYM_CODE_END(libos_switch_stack)

/* First run of a task: rax = prev, rbx = kernel function or 0, r12 = argument. */
SYM_CODE_START(libos_ret_from_fork)
	movq	%rax, %rdi
	movq	%rbx, %rsi
	movq	%r12, %rdx
	movq	%rsp, %rcx
	call	libos_first_run
	jmp	libos_exit_full_restart
SYM_CODE_END(libos_ret_from_fork)

/* fn (rdi), arg (rsi): on the stack and TLS of the host side. */
SYM_CODE_START(libos_call_host)
	pushq	%rbp
	movq	%rsp, %rbp
	pushq	%rbx
	subq	$8, %rsp
	rdfsbase %rbx
	movq	CPU(HOST_FS), %rax
	wrfsbase %rax
	movq	CPU(HOST_SP), %rsp
	movq	%rdi, %rax
	movq	%rsi, %rdi
	cld
	call	*%rax
	wrfsbase %rbx
	leaq	-8(%rbp), %rsp
	popq	%rbx
	popq	%rbp
	ret
SYM_CODE_END(libos_call_host)

	.section .note.GNU-stack,"",@progbits
