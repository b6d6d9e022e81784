/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_NOPS_H
#define _ASM_LIBOS_NOPS_H
#include "../../../x86/include/asm/nops.h"
#endif
