/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_ARCH_HWEIGHT_H
#define _ASM_LIBOS_ARCH_HWEIGHT_H
/* POPCNT is in the baseline (x86-64-v2). */
#define __arch_hweight64(w) ((unsigned long)__builtin_popcountll(w))
#define __arch_hweight32(w) ((unsigned int)__builtin_popcount(w))
#define __arch_hweight16(w) __arch_hweight32((w) & 0xffff)
#define __arch_hweight8(w) __arch_hweight32((w) & 0xff)
#endif
