/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_LINKAGE_H
#define _ASM_LIBOS_LINKAGE_H
/* x86's assembly returns by a macro. */
#ifdef __ASSEMBLY__
#define RET ret
#endif
#endif
