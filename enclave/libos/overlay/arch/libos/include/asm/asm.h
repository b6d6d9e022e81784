/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_ASM_H
#define _ASM_LIBOS_ASM_H
#include "../../../x86/include/asm/asm.h"
#endif
