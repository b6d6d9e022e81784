// SPDX-License-Identifier: GPL-2.0-only
/* CPUs are host threads. */
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/irq_work.h>
#include <linux/sched/hotplug.h>
#include <linux/sched/mm.h>
#include <linux/sched/task_stack.h>
#include <linux/smp.h>
#include "libos.h"

DEFINE_PER_CPU_ALIGNED(struct libos_cpu, libos_cpu) = {
	.current_task = &init_task,
	.irqs_off = 1,
	.next_event_tsc = U64_MAX,
};
EXPORT_PER_CPU_SYMBOL(libos_cpu);
DEFINE_PER_CPU_READ_MOSTLY(unsigned long, this_cpu_off);
EXPORT_PER_CPU_SYMBOL(this_cpu_off);

static unsigned int cpus = 1;

/* Note an interrupt for @cpu and get it out of wherever it is. */
void libos_raise(unsigned int cpu, unsigned long bit)
{
	struct libos_cpu *target = per_cpu_ptr(&libos_cpu, cpu);

	__atomic_fetch_or(&target->pending, bit, __ATOMIC_SEQ_CST);
	if (cpu != raw_smp_processor_id())
		rt_kick(cpu);
}

void arch_send_call_function_single_ipi(int cpu)
{
	libos_raise(cpu, LIBOS_PENDING_CALL);
}

void arch_send_call_function_ipi_mask(const struct cpumask *mask)
{
	int cpu;

	for_each_cpu(cpu, mask)
		libos_raise(cpu, LIBOS_PENDING_CALL);
}

void arch_smp_send_reschedule(int cpu)
{
	libos_raise(cpu, LIBOS_PENDING_RESCHED);
}

void smp_send_stop(void)
{
}

static void set_gs_base(unsigned long base)
{
	asm volatile("wrgsbase %0" :: "r" (base) : "memory");
}

/* From the template of the per-CPU area to the area of CPU 0. */
void __init smp_prepare_boot_cpu(void)
{
	per_cpu(this_cpu_off, 0) = per_cpu_offset(0);
	set_gs_base(per_cpu_offset(0));
}

void __init libos_set_cpus(unsigned int count)
{
	unsigned int cpu;

	cpus = clamp(count, 1U, (unsigned int)NR_CPUS);
	for (cpu = 0; cpu < cpus; cpu++)
		set_cpu_possible(cpu, true);
}

void __init smp_prepare_cpus(unsigned int max_cpus)
{
	unsigned int cpu;

	for (cpu = 0; cpu < cpus; cpu++)
		set_cpu_present(cpu, true);
}

void __init smp_cpus_done(unsigned int max_cpus)
{
}

/* On the idle task's stack, in the new host thread. */
static void secondary(void)
{
	unsigned int cpu = smp_processor_id();

	mmgrab(&init_mm);
	current->active_mm = &init_mm;
	notify_cpu_starting(cpu);
	libos_clockevent_init();
	set_cpu_online(cpu, true);
	local_irq_enable();
	cpu_startup_entry(CPUHP_AP_ONLINE_IDLE);
}

int __cpu_up(unsigned int cpu, struct task_struct *idle)
{
	struct libos_cpu *area = per_cpu_ptr(&libos_cpu, cpu);
	unsigned long sp = (unsigned long)(task_pt_regs(idle) + 1);
	int tries, err;

	area->current_task = idle;
	area->kernel_sp = sp;
	area->irqs_off = 1;
	area->cpu = cpu;
	area->next_event_tsc = U64_MAX;
	per_cpu(this_cpu_off, cpu) = per_cpu_offset(cpu);
	err = rt_start_cpu(cpu, per_cpu_offset(cpu), secondary, sp - sizeof(struct pt_regs) - 8);
	if (err)
		return err;
	for (tries = 0; tries < 1000 && !cpu_online(cpu); tries++)
		udelay(1000);
	return cpu_online(cpu) ? 0 : -EIO;
}

/* The runtime tells what belongs to the host thread of a CPU. */
void libos_set_host_thread(unsigned int cpu, unsigned long host_fs, unsigned long host_sp)
{
	struct libos_cpu *area = per_cpu_ptr(&libos_cpu, cpu);

	area->host_fs = host_fs;
	area->host_sp = host_sp;
}
