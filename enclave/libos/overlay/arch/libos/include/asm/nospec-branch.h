/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_NOSPEC_BRANCH_H
#define _ASM_LIBOS_NOSPEC_BRANCH_H
/* One tenant, user mode: no retpolines. */
#ifdef __ASSEMBLY__
.macro endbr
.endm
.macro JMP_NOSPEC reg:req
	jmp *%\reg
.endm
#endif
#endif
