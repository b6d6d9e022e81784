/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_SIGNAL_H
#define _ASM_LIBOS_SIGNAL_H
#include "../../../x86/include/asm/signal.h"
#endif
