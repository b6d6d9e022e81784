/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_RMWCC_H
#define _ASM_LIBOS_RMWCC_H
#include "../../../x86/include/asm/rmwcc.h"
#endif
