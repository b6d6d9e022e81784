/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Into and out of the baseline's runtime. Syscall User Dispatch exempts the
 * section .text, so the host calls are here, and trapped_getppid is not.
 */
	.section .text, "ax", @progbits
	.globl _start, program_entry, host_call, host_clone, host_worker, signal_return
	.globl start_program, resume_trap, trap_handler, trap_restorer

_start:
	mov	%rsp, %rdi
	and	$-16, %rsp
	call	program_main

/*
 * From a rewritten site: the address after the system call is in rcx, r11 is
 * free, and the red zone is in use.
 */
	.balign 64
program_entry:
	mov	%rsp, %r11
	lea	-128(%rsp), %rsp
	and	$-16, %rsp
	pushq	$0
	push	%r11
	push	%rcx
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%rbp
	push	%rbx
	push	%r9
	push	%r8
	push	%r10
	push	%rdx
	push	%rsi
	push	%rdi
	push	%rax
	mov	%rsp, %rdi
	call	dispatch
	lea	8(%rsp), %rsp
.Lrestore:
	pop	%rdi
	pop	%rsi
	pop	%rdx
	pop	%r10
	pop	%r8
	pop	%r9
	pop	%rbx
	pop	%rbp
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	pop	%rcx
	pop	%rsp
	jmp	*%rcx

/* long host_call(nr, a, b, c, d, e, f) */
host_call:
	mov	%rdi, %rax
	mov	%rsi, %rdi
	mov	%rdx, %rsi
	mov	%rcx, %rdx
	mov	%r8, %r10
	mov	%r9, %r8
	mov	8(%rsp), %r9
	syscall
	ret

/*
 * long host_clone(nr, a, b, c, d, e, child): the child begins on a stack whose
 * lowest bytes are a struct frame, and goes on as that frame says.
 */
host_clone:
	mov	%rdi, %rax
	mov	%rsi, %rdi
	mov	%rdx, %rsi
	mov	%rcx, %rdx
	mov	%r8, %r10
	mov	%r9, %r8
	syscall
	test	%rax, %rax
	jz	1f
	ret
1:	mov	%rsp, %rbx
	mov	%rsp, %rdi
	and	$-16, %rsp
	call	thread_child
	mov	%rbx, %rsp
	lea	8(%rsp), %rsp
	xor	%eax, %eax
	jmp	.Lrestore

/* long host_worker(flags, stack, pool): a thread that runs worker_main(pool) */
host_worker:
	mov	%rdx, %r9
	xor	%edx, %edx
	xor	%r10d, %r10d
	xor	%r8d, %r8d
	mov	$56, %eax
	syscall
	test	%rax, %rax
	jz	1f
	ret
1:	mov	%r9, %rdi
	xor	%ebp, %ebp
	call	worker_main
	ud2

/* The frame of the interrupted handler starts at rdi. */
signal_return:
	mov	%rdi, %rsp
	mov	$15, %eax
	syscall
	ud2

start_program:
	mov	%rdi, %rsp
	mov	%rsi, %r11
	xor	%eax, %eax
	xor	%ebx, %ebx
	xor	%ecx, %ecx
	xor	%edx, %edx		/* no function for atexit */
	xor	%esi, %esi
	xor	%edi, %edi
	xor	%ebp, %ebp
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	jmp	*%r11

trap_handler:
	and	$-16, %rsp
	call	trap
	ud2

trap_restorer:
	mov	$15, %eax
	syscall

/* resume_trap(frame, result, flags, fpregs) */
resume_trap:
	mov	%rsi, %r11
	mov	%rdx, %r10
	mov	%rcx, %rsi
	mov	$-1, %eax
	mov	$-1, %edx
	test	%rsi, %rsi
	jz	1f
	xrstor64 (%rsi)
1:	pushq	$0x2b
	pushq	14*8(%rdi)		/* rsp */
	push	%r10
	pushq	$0x33
	pushq	13*8(%rdi)		/* rip */
	mov	13*8(%rdi), %rcx
	mov	12*8(%rdi), %r15
	mov	11*8(%rdi), %r14
	mov	10*8(%rdi), %r13
	mov	9*8(%rdi), %r12
	mov	8*8(%rdi), %rbp
	mov	7*8(%rdi), %rbx
	mov	6*8(%rdi), %r9
	mov	5*8(%rdi), %r8
	mov	4*8(%rdi), %r10
	mov	3*8(%rdi), %rdx
	mov	2*8(%rdi), %rsi
	mov	%r11, %rax
	mov	1*8(%rdi), %rdi
	iretq

	.section .trapped, "ax", @progbits
	.globl trapped_getppid
trapped_getppid:
	mov	$110, %eax
	syscall
	ret

	.section .note.GNU-stack, "", @progbits
