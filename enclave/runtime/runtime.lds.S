/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the library kernel's object needs beyond an ordinary static executable:
 * its tables and their bounds, inserted into the default script. Preprocessed
 * with the kernel's own headers, so that the tables are the kernel's.
 */
#define LINKER_SCRIPT
#include <asm-generic/vmlinux.lds.h>
#include <asm/page.h>
#include <asm/thread_info.h>

jiffies = jiffies_64;
__bss_stop = _end;

SECTIONS
{
	/* Writable: the exception table is sorted at boot. */
	.kernel.tables : ALIGN(PAGE_SIZE) {
		__start_rodata = .;
		. = ALIGN(8);
		__start___param = .;
		KEEP(*(__param))
		__stop___param = .;
		. = ALIGN(8);
		__start___modver = .;
		KEEP(*(__modver))
		__stop___modver = .;
		SCHED_DATA
		*(.rodata..*)
		. = ALIGN(8);
		BOUNDED_SECTION_BY(__ex_table, ___ex_table)
		. = ALIGN(8);
		BOUNDED_SECTION_PRE_LABEL(.builtin_fw, _builtin_fw, __start, __end)
		__start_notes = .;
		__stop_notes = .;
		. = ALIGN(8);
		__end_rodata = .;
	}

	.kernel.init : ALIGN(PAGE_SIZE) {
		__init_begin = .;
		*(.init.rodata .init.rodata.*)
		INIT_DATA
		INIT_SETUP(16)
		INIT_CALLS
		CON_INITCALL
		INIT_RAM_FS
		__init_end = .;
	}

	.kernel.data : ALIGN(THREAD_SIZE) {
		_sdata = .;
		INIT_TASK_DATA(THREAD_SIZE)
		. = ALIGN(PAGE_SIZE);
		__per_cpu_load = .;
		PERCPU_INPUT(64)
		NOSAVE_DATA
		PAGE_ALIGNED_DATA(PAGE_SIZE)
		CACHELINE_ALIGNED_DATA(64)
		READ_MOSTLY_DATA(64)
		*(.data..ro_after_init .data..*)
		__start_ro_after_init = .;
		__end_ro_after_init = .;
		. = ALIGN(32);
		*(.data.once)
		. = ALIGN(8);
		BOUNDED_SECTION_BY(__bug_table, ___bug_table)
	}
}
INSERT BEFORE .data;

SECTIONS
{
	.kernel.text : ALIGN(PAGE_SIZE) {
		_text = .;
		_stext = .;
		__sched_text_start = .;
		*(.sched.text)
		__sched_text_end = .;
		__lock_text_start = .;
		*(.spinlock.text)
		__lock_text_end = .;
		__irqentry_text_start = .;
		*(.irqentry.text)
		__irqentry_text_end = .;
		__softirqentry_text_start = .;
		*(.softirqentry.text)
		__softirqentry_text_end = .;
		__noinstr_text_start = .;
		*(.noinstr.text)
		__noinstr_text_end = .;
		__cpuidle_text_start = .;
		*(.cpuidle.text)
		__cpuidle_text_end = .;
		*(.ref.text)
		_sinittext = .;
		*(.init.text .init.text.*)
		_einittext = .;
		*(.exit.text)
		*libos.o(.text .text.*)
		_ekernel = .;
	}
}
INSERT BEFORE .text;
