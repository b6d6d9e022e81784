/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_IO_H
#define _ASM_LIBOS_IO_H
#include <linux/types.h>
/* Physical, virtual and host addresses are the same; there is no MMIO. */
#define virt_to_phys virt_to_phys
static inline unsigned long virt_to_phys(const volatile void *address)
{
	return (unsigned long)address;
}
#define phys_to_virt phys_to_virt
static inline void *phys_to_virt(unsigned long address)
{
	return (void *)address;
}
#include <asm-generic/io.h>
#endif
