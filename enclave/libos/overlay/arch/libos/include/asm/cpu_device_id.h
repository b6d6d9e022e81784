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

/* Families are told apart for their clock throttling only: none matches. */
struct cpuinfo_x86 { u32 x86_vfm; };
static const struct cpuinfo_x86 boot_cpu_data;
#define INTEL_SKYLAKE_X 1
#endif
