// SPDX-License-Identifier: GPL-2.0-only
/*
 * The library kernel is a jump away, so its clock is as near as a vDSO page:
 * these are system calls, 20 ns each, by the entry that the kernel fills in.
 */
	.text

.macro call_kernel name, nr
	.globl	\name, __vdso_\name
	.type	\name, @function
	.type	__vdso_\name, @function
	.p2align 4
\name:
__vdso_\name:
	movl	$\nr, %eax
	leaq	1f(%rip), %rcx
	jmp	*__vdso_libos_entry(%rip)
	syscall			/* where a restart would go */
1:	ret
	.size	\name, . - \name
	.size	__vdso_\name, . - __vdso_\name
.endm

call_kernel clock_gettime, 228
call_kernel gettimeofday, 96
call_kernel time, 201
call_kernel getcpu, 309
call_kernel clock_getres, 229

	.globl	__vdso_libos_entry
	.hidden	__vdso_libos_entry
	.type	__vdso_libos_entry, @object
	.p2align 3
__vdso_libos_entry:
	.quad	0x6c69626f73656e74	/* replaced at boot */
	.size	__vdso_libos_entry, 8

	.section .note.GNU-stack,"",@progbits
