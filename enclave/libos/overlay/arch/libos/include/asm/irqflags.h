/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_IRQFLAGS_H
#define _ASM_LIBOS_IRQFLAGS_H
#ifndef __ASSEMBLY__
#include <asm/percpu.h>
/*
 * Interrupts are polled: "disabled" is a word of the CPU, and enabling looks
 * whether something came meanwhile.
 */
#define ARCH_IRQ_DISABLED	1UL
#define ARCH_IRQ_ENABLED	0UL

extern void libos_irq_pending(void);

static __always_inline unsigned long arch_local_save_flags(void)
{
	unsigned long flags = raw_cpu_read(libos_cpu.irqs_off);

	barrier();
	return flags;
}
#define arch_local_save_flags arch_local_save_flags

static __always_inline void arch_local_irq_restore(unsigned long flags)
{
	barrier();
	raw_cpu_write(libos_cpu.irqs_off, flags);
	barrier();
	if (flags == ARCH_IRQ_ENABLED && unlikely(this_cpu_read(libos_cpu.pending)))
		libos_irq_pending();
}
#define arch_local_irq_restore arch_local_irq_restore
#include <asm-generic/irqflags.h>
#endif
#endif
