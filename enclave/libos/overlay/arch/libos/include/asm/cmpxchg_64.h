/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_CMPXCHG_64_H
#define _ASM_LIBOS_CMPXCHG_64_H
#include "../../../x86/include/asm/cmpxchg_64.h"
#endif
