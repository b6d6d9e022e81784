// SPDX-License-Identifier: GPL-2.0-only
	.section .rodata, "a"
	.globl	libos_vdso_image, libos_vdso_image_end
	.p2align 12
libos_vdso_image:
	.incbin "vdso.so"
libos_vdso_image_end:
	.section .note.GNU-stack,"",@progbits
