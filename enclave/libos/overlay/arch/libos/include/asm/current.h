/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_CURRENT_H
#define _ASM_LIBOS_CURRENT_H
#include <linux/compiler.h>
#ifndef __ASSEMBLY__
#include <asm/percpu.h>
struct task_struct;

static __always_inline struct task_struct *get_current(void)
{
	return this_cpu_read_stable(libos_cpu.current_task);
}
#define current get_current()
#endif
#endif
