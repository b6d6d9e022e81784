/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_SMP_H
#define _ASM_LIBOS_SMP_H
#include <linux/cpumask.h>
#include <asm/percpu.h>

#define raw_smp_processor_id() ((int)this_cpu_read(libos_cpu.cpu))
extern void arch_send_call_function_single_ipi(int cpu);
extern void arch_send_call_function_ipi_mask(const struct cpumask *mask);
extern void libos_possible_cpus(void);
#endif
