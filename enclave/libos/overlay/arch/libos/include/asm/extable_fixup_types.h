/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_EXTABLE_FIXUP_TYPES_H
#define _ASM_LIBOS_EXTABLE_FIXUP_TYPES_H
#include "../../../x86/include/asm/extable_fixup_types.h"
#endif
