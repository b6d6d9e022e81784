/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_FPU_API_H
#define _ASM_LIBOS_FPU_API_H
#include <linux/types.h>
/* SIMD inside the kernel; bottom halves are off between begin and end. */
extern void kernel_fpu_begin_mask(unsigned int mask);
extern void kernel_fpu_end(void);
extern bool irq_fpu_usable(void);
#define XFEATURE_MASK_SSE	0x2
#define XFEATURE_MASK_YMM	0x4
#define XFEATURE_MASK_AVX512	0xe0
static inline int cpu_has_xfeatures(u64 mask, const char **name)
{
	u32 low, high;

	asm volatile("xgetbv" : "=a" (low), "=d" (high) : "c" (0));
	return (low & mask) == mask;
}

static inline void kernel_fpu_begin(void)
{
	kernel_fpu_begin_mask(0);
}
#endif
