/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_FPU_API_H
#define _ASM_LIBOS_FPU_API_H
#include <linux/types.h>
/* SIMD inside the kernel; bottom halves are off between begin and end. */
extern void kernel_fpu_begin_mask(unsigned int mask);
extern void kernel_fpu_end(void);
extern bool irq_fpu_usable(void);
static inline void kernel_fpu_begin(void)
{
	kernel_fpu_begin_mask(0);
}
#endif
