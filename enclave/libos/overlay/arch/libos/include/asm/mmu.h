/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_MMU_H
#define _ASM_LIBOS_MMU_H
#include <linux/types.h>
#include <asm/layout.h>

typedef struct {
	unsigned int home;		/* VA slot; 0: none yet */
	DECLARE_BITMAP(slots, LIBOS_SLOTS);	/* all slots with mappings */
	void *vdso;
	unsigned long stub_next;	/* next free stub byte, 0: none yet */
	unsigned long stub_end;
	unsigned long pun_pages;	/* approximate set of pages with punned stubs */
} mm_context_t;
#endif
