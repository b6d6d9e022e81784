/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_CPUFEATURES_H
#define _ASM_LIBOS_CPUFEATURES_H
#include "../../../x86/include/asm/cpufeatures.h"
#ifndef __ASSEMBLY__
/* Asks CPUID (and XCR0 for the vector extensions) for one X86_FEATURE_*. */
extern bool libos_cpu_has(unsigned int feature);
#define boot_cpu_has(feature) libos_cpu_has(feature)
#define cpu_feature_enabled(feature) libos_cpu_has(feature)
#define static_cpu_has(feature) libos_cpu_has(feature)
#endif
#endif
