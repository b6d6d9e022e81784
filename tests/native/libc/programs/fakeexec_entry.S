/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A system-call entry as the library kernel has it (reached by a jump, goes on
 * at rcx), which counts and then asks the host. Only rax (the result), rcx and
 * r11 change, and nothing in the caller's red zone.
 */
#include <sys/syscall.h>

#define BELOW_RED_ZONE 136

	.bss
	.balign 8
vfork_return:
	.skip 8

	.text
	.global fake_entry, fake_plain, fake_lowered, fake_syscall
	.global fake_done, fake_loaded, fake_raised
	.hidden fake_counter, fake_sigaction
fake_entry:
	mov fake_counter(%rip), %r11
	lock incq (%r11)
	cmp $SYS_clone, %eax
	je clone
	cmp $SYS_vfork, %eax
	je vfork
	cmp $SYS_munmap, %eax
	je stackless
	cmp $SYS_exit, %eax
	je stackless
	cmp $SYS_rt_sigaction, %eax
	je sigaction
fake_plain:
	lea -BELOW_RED_ZONE(%rsp), %rsp
fake_lowered:
	mov %rcx, (%rsp)
fake_syscall:
	syscall
fake_done:
	mov (%rsp), %rcx
fake_loaded:
	lea BELOW_RED_ZONE(%rsp), %rsp
fake_raised:
	jmp *%rcx

/* The child returns with rsp exactly as given: lend it a slot below. */
clone:
	test %rsi, %rsi
	jz fake_plain
	sub $8, %rsi
	mov %rcx, (%rsi)
	lea -BELOW_RED_ZONE(%rsp), %rsp
	mov %rcx, (%rsp)
	syscall
	lea 8(%rsi), %rsi
	mov (%rsp), %rcx
	test %rax, %rax
	jz child
	lea BELOW_RED_ZONE(%rsp), %rsp
	jmp *%rcx
child:
	lea 8(%rsp), %rsp
	jmp *%rcx

/* The child shares the stack. One vfork at a time is enough here. */
vfork:
	mov %rcx, vfork_return(%rip)
	syscall
	jmp *vfork_return(%rip)

/* A thread that ends unmaps its stack: use the instruction at the call site. */
stackless:
	sub $2, %rcx
	jmp *%rcx

sigaction:
	lea -BELOW_RED_ZONE(%rsp), %rsp
	push %rcx
	push %rdi
	push %rsi
	push %rdx
	push %r8
	push %r9
	push %r10
	push %rbp
	mov %rsp, %rbp
	and $-16, %rsp
	mov %r10, %rcx
	call fake_sigaction
	mov %rbp, %rsp
	pop %rbp
	pop %r10
	pop %r9
	pop %r8
	pop %rdx
	pop %rsi
	pop %rdi
	pop %rcx
	lea BELOW_RED_ZONE(%rsp), %rsp
	jmp *%rcx

	.section .note.GNU-stack,"",@progbits
