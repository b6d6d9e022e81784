/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_ATOMIC64_64_H
#define _ASM_LIBOS_ATOMIC64_64_H
#include "../../../x86/include/asm/atomic64_64.h"
#endif
