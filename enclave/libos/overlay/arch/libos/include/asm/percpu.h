/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_PERCPU_H
#define _ASM_LIBOS_PERCPU_H
/* x86's gs-relative operations; its header wants to hear that this is x86-64. */
#pragma push_macro("CONFIG_X86_64")
#undef CONFIG_X86_64
#define CONFIG_X86_64 1
#include "../../../x86/include/asm/percpu.h"
#pragma pop_macro("CONFIG_X86_64")
#ifndef __ASSEMBLY__
#include <linux/cache.h>
#include <asm/cpu_area.h>
DECLARE_PER_CPU_ALIGNED(struct libos_cpu, libos_cpu);
#endif
#endif
