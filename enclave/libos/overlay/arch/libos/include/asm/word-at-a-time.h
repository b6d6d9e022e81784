/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_WORD_AT_A_TIME_H
#define _ASM_LIBOS_WORD_AT_A_TIME_H
#include "../../../x86/include/asm/word-at-a-time.h"
#endif
