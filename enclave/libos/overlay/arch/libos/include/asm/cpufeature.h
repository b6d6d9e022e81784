/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_CPUFEATURE_H
#define _ASM_LIBOS_CPUFEATURE_H
#include <asm/cpufeatures.h>
#include <linux/cache.h>
#include <asm/cpu_device_id.h>
#endif
