/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_ATOMIC_H
#define _ASM_LIBOS_ATOMIC_H
#include "../../../x86/include/asm/atomic.h"
#endif
