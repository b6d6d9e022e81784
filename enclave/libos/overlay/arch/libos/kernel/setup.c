// SPDX-License-Identifier: GPL-2.0-only
/* From the runtime's call to start_kernel(), and out of the process again. */
#include <linux/cpu.h>
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/initrd.h>
#include <linux/kernel.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/panic_notifier.h>
#include <linux/random.h>
#include <linux/reboot.h>
#include <linux/sched/task.h>
#include <linux/sched/task_stack.h>
#include <linux/seq_file.h>
#include <linux/start_kernel.h>
#include <asm/archrandom.h>
#include <asm/cpufeatures.h>
#include <asm/sections.h>
#include <asm/setup.h>
#include <asm/timex.h>
#include "libos.h"

struct libos_stats libos_stats;
unsigned long libos_ram_end;
unsigned int libos_hwcap;
struct page *libos_zero_page;
void (*pm_power_off)(void);

static const struct rt_boot *boot;
static char command_line[COMMAND_LINE_SIZE];

static void __init setup_memory(void)
{
	unsigned long zones[MAX_NR_ZONES] = { 0 };
	unsigned long image_end = PAGE_ALIGN(boot->image_end);

	libos_ram_end = LIBOS_RAM_BASE + boot->ram_bytes;
	setup_initial_init_mm(_stext, _etext, _edata, (void *)image_end);
	min_low_pfn = PFN_UP(LIBOS_IMAGE_BASE);
	max_low_pfn = max_pfn = PFN_DOWN(libos_ram_end);
	max_mapnr = max_pfn - ARCH_PFN_OFFSET;
	high_memory = (void *)libos_ram_end;
	memblock_add(LIBOS_IMAGE_BASE, image_end - LIBOS_IMAGE_BASE);
	memblock_reserve(LIBOS_IMAGE_BASE, image_end - LIBOS_IMAGE_BASE);
	memblock_add(LIBOS_RAM_BASE, boot->ram_bytes);
	if (boot->initrd_bytes) {
		initrd_start = boot->initrd;
		initrd_end = boot->initrd + boot->initrd_bytes;
		memblock_reserve(PAGE_ALIGN_DOWN(initrd_start), PAGE_ALIGN(boot->initrd_bytes));
	}
	zones[ZONE_NORMAL] = max_pfn;
	free_area_init(zones);
	libos_zero_page = virt_to_page(memblock_alloc(PAGE_SIZE, PAGE_SIZE));
}

void __init setup_arch(char **cmdline_p)
{
	unsigned int regs[4] = { 1 };

	asm volatile("cpuid" : "+a" (regs[0]), "=b" (regs[1]), "=c" (regs[2]), "=d" (regs[3]));
	libos_hwcap = regs[3];
	strscpy(boot_command_line, boot->cmdline, COMMAND_LINE_SIZE);
	strscpy(command_line, boot->cmdline, COMMAND_LINE_SIZE);
	*cmdline_p = command_line;
	parse_early_param();
	libos_tsc_khz = boot->tsc_khz;
	libos_poll_mode = boot->poll_mode;
	libos_set_cpus(boot->cpus);
	setup_memory();
	add_bootloader_randomness(boot->seed, sizeof(boot->seed));
}

void __init mem_init(void)
{
	memblock_free_all();
}

void __init trap_init(void) { }
void __init init_IRQ(void) { }

/*
 * Nothing is freed; but what boot freed page by page lies in the per-CPU lists
 * the wrong way round. Given back, it merges, and the pages of a file come in
 * ascending order: runs that take one host call to map.
 */
void free_initmem(void)
{
	drain_all_pages(NULL);
}

/* init says how the program ended: reboot(RESTART2, "exit=N"). */
void machine_restart(char *command)
{
	int code = 0;

	if (command && !strncmp(command, "exit=", 5) && kstrtoint(command + 5, 10, &code))
		code = 125;
	rt_exit(code & 0xff);
}

void machine_halt(void)
{
	rt_exit(0);
}

void machine_power_off(void)
{
	rt_exit(0);
}

static int on_panic(struct notifier_block *block, unsigned long event, void *message)
{
	rt_exit(125);
	return NOTIFY_DONE;
}

static struct notifier_block panic_block = { .notifier_call = on_panic };

static int __init register_panic(void)
{
	atomic_notifier_chain_register(&panic_notifier_list, &panic_block);
	return 0;
}
early_initcall(register_panic);

#define RDRAND(instruction)							\
	for (i = 0; i < max_longs; i++) {					\
		bool ok;							\
										\
		asm volatile(instruction " %0; setc %1"			\
			     : "=r" (v[i]), "=qm" (ok) :: "cc");		\
		if (!ok)							\
			break;							\
	}

size_t arch_get_random_longs(unsigned long *v, size_t max_longs)
{
	size_t i;

	if (!libos_cpu_has(X86_FEATURE_RDRAND))
		return 0;
	RDRAND("rdrand");
	return i;
}

size_t arch_get_random_seed_longs(unsigned long *v, size_t max_longs)
{
	size_t i;

	if (!libos_cpu_has(X86_FEATURE_RDSEED))
		return 0;
	RDRAND("rdseed");
	return i;
}

static void *cpuinfo_start(struct seq_file *m, loff_t *pos)
{
	*pos = cpumask_next(*pos - 1, cpu_online_mask);
	return *pos < nr_cpu_ids ? (void *)(*pos + 1) : NULL;
}

static void *cpuinfo_next(struct seq_file *m, void *v, loff_t *pos)
{
	++*pos;
	return cpuinfo_start(m, pos);
}

static void cpuinfo_stop(struct seq_file *m, void *v) { }

static int cpuinfo_show(struct seq_file *m, void *v)
{
	seq_printf(m, "processor\t: %lu\nmodel name\t: rkt-io library OS\ncpu MHz\t\t: %lu.%03lu\n\n",
		   (unsigned long)v - 1, libos_tsc_khz / 1000, libos_tsc_khz % 1000);
	return 0;
}

const struct seq_operations cpuinfo_op = {
	.start = cpuinfo_start,
	.next = cpuinfo_next,
	.stop = cpuinfo_stop,
	.show = cpuinfo_show,
};

/* On CPU 0's host thread: leave its stack for init_task's, for good. */
void libos_start(const struct rt_boot *rt_boot, unsigned long host_fs, unsigned long host_sp)
{
	unsigned long sp = (unsigned long)(task_pt_regs(&init_task) + 1);

	boot = rt_boot;
	asm volatile("wrgsbase %0" :: "r" (0UL));
	this_cpu_write(libos_cpu.kernel_sp, sp);
	this_cpu_write(libos_cpu.host_fs, host_fs);
	this_cpu_write(libos_cpu.host_sp, host_sp);
	asm volatile("mov %0, %%rsp\n"
		     "xor %%ebp, %%ebp\n"
		     "call start_kernel\n"
		     :: "r" (sp - sizeof(struct pt_regs) - 8) : "memory");
	unreachable();
}
