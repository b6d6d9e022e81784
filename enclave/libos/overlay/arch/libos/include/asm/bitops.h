/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_BITOPS_H
#define _ASM_LIBOS_BITOPS_H
#include "../../../x86/include/asm/bitops.h"
#endif
