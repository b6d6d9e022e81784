/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_LAYOUT_H
#define _ASM_LIBOS_LAYOUT_H
/*
 * The address map of the one process, in one place. The runtime checks at
 * start that the host has put nothing of its own there.
 *
 *   0x0000_7000_0000  the executable: runtime, library kernel   (IMAGE_BASE)
 *   0x0000_8000_0000  RAM, mapped linearly: kernel view          (RAM_BASE)
 *   0x0080_0000_0000  VA slots of 512 GiB, one per exec          (slot 1 ...)
 *   0x4000_0000_0000  wide area for mappings beyond a slot       (slot 128 ...)
 *   0x6000_0000_0000  end of application addresses               (USER_END)
 *   0x6100_0000_0000  vmalloc
 *   0x6400_0000_0000  DPDK's EAL and the DMA region
 *   0x7ffc_0000_0000  the host: libc's mappings, stack, vDSO
 *
 * Slot 0 is shared by what asks for low addresses (non-PIE programs).
 */
#include <linux/const.h>

#define LIBOS_IMAGE_BASE	_AC(0x70000000, UL)
#define LIBOS_RAM_BASE		_AC(0x80000000, UL)
#define LIBOS_USER_END		_AC(0x600000000000, UL)
#define LIBOS_VMALLOC_START	_AC(0x610000000000, UL)
#define LIBOS_VMALLOC_END	_AC(0x618000000000, UL)
#define LIBOS_EAL_BASE		_AC(0x640000000000, UL)

#define LIBOS_SLOT_SHIFT	39
#define LIBOS_SLOT_BYTES	(_AC(1, UL) << LIBOS_SLOT_SHIFT)
#define LIBOS_SLOTS		192	/* LIBOS_USER_END >> LIBOS_SLOT_SHIFT */
#define LIBOS_WIDE_SLOT		128	/* first slot of the wide area */

/* Within a slot, from its end: stack, then call-site stubs, then mmap down. */
#define LIBOS_STACK_GAP		_AC(0x40000000, UL)	/* 1 GiB */
#define LIBOS_STUB_BYTES	_AC(0xa0000000, UL)	/* 2.5 GiB */
#define LIBOS_PIE_OFFSET	_AC(0x1000000000, UL)	/* 64 GiB */
#define LIBOS_LOWEST_USER	_AC(0x10000, UL)
#endif
