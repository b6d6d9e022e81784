/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_CMPXCHG_H
#define _ASM_LIBOS_CMPXCHG_H
#include "../../../x86/include/asm/cmpxchg.h"
#undef system_has_cmpxchg128
#define system_has_cmpxchg128() 1	/* in the baseline, x86-64-v2 */
#endif
