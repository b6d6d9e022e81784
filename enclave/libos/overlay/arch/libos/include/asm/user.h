/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_USER_H
#define _ASM_LIBOS_USER_H
#include "../../../x86/include/asm/user_64.h"
#endif
