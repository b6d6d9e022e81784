/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_FRAME_H
#define _ASM_LIBOS_FRAME_H
/* x86's assembly marks frames; we keep no frame pointers. */
#ifdef __ASSEMBLY__
#define FRAME_BEGIN
#define FRAME_END
#endif
#endif
