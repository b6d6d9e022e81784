/* SPDX-License-Identifier: MIT */
/*
 * The way into the kernel. __libos_syscall holds the address that every system
 * call of this libc calls: the library kernel's entry, or, where none is
 * announced, the stub below, which asks the host's kernel.
 *
 * Call sites use the two-byte "call *%rcx", as long as "syscall" itself, so
 * that a kernel restarts an interrupted call as it always does: ip -= 2 with
 * all registers as they were.
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
	syscall
	ret
	.size __libos_host_syscall,.-__libos_host_syscall
