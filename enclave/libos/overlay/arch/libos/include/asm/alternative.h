/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_ALTERNATIVE_H
#define _ASM_LIBOS_ALTERNATIVE_H
/*
 * x86's headers write alternatives that are patched at boot. We don't patch
 * ourselves: the baseline is x86-64-v2, which has what the headers that we
 * include choose by (cmpxchg16b).
 */
#include <linux/types.h>
#include <linux/stringify.h>
#include <asm/asm.h>

#ifdef __ASSEMBLY__
	.macro LOCK_PREFIX
	lock
	.endm
#else
#define LOCK_PREFIX_HERE ""
#define LOCK_PREFIX "lock; "
#define ALTERNATIVE(oldinstr, newinstr, feature) newinstr
#define ALT_OUTPUT_SP(...) __VA_ARGS__
#define alternative(oldinstr, newinstr, feature) asm volatile(newinstr ::: "memory")
#endif
#endif
