/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LIBOS_X86_CPU_DEVICE_ID_H
#define _LIBOS_X86_CPU_DEVICE_ID_H
/* What arch/x86/crypto needs of x86's header of this name. */
#include <asm/cpufeatures.h>
#include <asm/fpu/api.h>

struct x86_cpu_id { int feature; const void *driver_data; };
#define X86_MATCH_FEATURE(f, data)	{ .feature = (f), .driver_data = (const void *)(data) }
#define X86_MATCH_VFM(vfm, data)	{ .feature = -1, .driver_data = (const void *)(data) }
#define X86_MATCH_VFM_FEATURE(vfm, f, data) X86_MATCH_VFM(vfm, data)

static inline const struct x86_cpu_id *x86_match_cpu(const struct x86_cpu_id *match)
{
	for (; match->feature || match->driver_data; match++)
		if (match->feature > 0 && libos_cpu_has(match->feature))
			return match;
	return NULL;
}

#define XFEATURE_MASK_SSE	0x2
#define XFEATURE_MASK_YMM	0x4
#define XFEATURE_MASK_AVX512	0xe0
static inline int cpu_has_xfeatures(u64 mask, const char **name)
{
	u32 low, high;

	asm volatile("xgetbv" : "=a" (low), "=d" (high) : "c" (0));
	return (low & mask) == mask;
}
#endif
