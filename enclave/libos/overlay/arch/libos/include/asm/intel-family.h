/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_INTEL_FAMILY_H
#define _ASM_LIBOS_INTEL_FAMILY_H
#include <asm/cpu_device_id.h>
#endif
