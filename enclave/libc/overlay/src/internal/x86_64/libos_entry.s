/* SPDX-License-Identifier: MIT */
/*
 * The way into the kernel. __libos_syscall holds the address that each system
 * call of this libc jumps to: the library kernel's entry, or, where none is
 * announced, the stub below. A call site is
 *
 *		lea 1f(%rip),%rcx
 *		jmp *__libos_syscall(%rip)
 *		syscall
 *	1:
 *
 * with all registers as for the syscall instruction, and rcx = where to go on.
 * The stack is not used, so there may be none. The instruction in between is
 * reached in two cases: the stub goes there, and a kernel that restarts an
 * interrupted call does as it always did: ip -= 2.
 *
 * .data.rel.ro is read-only once the program runs.
 */
	.section .data.rel.ro,"aw",@progbits
	.balign 8
	.global __libos_syscall
	.hidden __libos_syscall
	.type __libos_syscall,@object
__libos_syscall:
	.quad __libos_host_syscall
	.size __libos_syscall,.-__libos_syscall

	.text
	.global __libos_host_syscall
	.hidden __libos_host_syscall
	.type __libos_host_syscall,@function
__libos_host_syscall:
	sub $2,%rcx
	jmp *%rcx
	.size __libos_host_syscall,.-__libos_host_syscall

	.section .note.GNU-stack,"",@progbits
