// SPDX-License-Identifier: GPL-2.0-only
/*
 * SIMD registers. The kernel is compiled without them, so an application's
 * stay loaded through system calls. They are saved when another task runs or
 * when C of the host side or our SIMD crypto needs them, and loaded again on
 * the way out to an application whose registers they are not.
 */
#include <linux/bottom_half.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <asm/cpufeatures.h>
#include <asm/fpu/api.h>
#include <asm/hostcall_entry.h>
#include "libos.h"

#define XFEATURES	0xe7	/* x87, SSE, AVX, AVX-512; no PKRU, no AMX */
#define XSAVE_HEADER	512	/* offset of XSTATE_BV */

unsigned int libos_xsave_bytes;
static u32 xfeatures;
static struct kmem_cache *area_cache;
static DEFINE_PER_CPU_ALIGNED(u8[4096], scratch);

extern long libos_call_host(long (*fn)(void *), void *arg);

static inline void xsave(void *area)
{
	asm volatile("xsave64 (%0)" :: "r" (area), "a" (xfeatures), "d" (0) : "memory");
}

static inline void xsaveopt(void *area)
{
	asm volatile("xsaveopt64 (%0)" :: "r" (area), "a" (xfeatures), "d" (0) : "memory");
}

static inline void xrstor(const void *area)
{
	asm volatile("xrstor64 (%0)" :: "r" (area), "a" (xfeatures), "d" (0) : "memory");
}

static void init_area(void *area)
{
	memset(area, 0, libos_xsave_bytes);
	*(u16 *)area = 0x37f;			/* FCW */
	*(u32 *)(area + 24) = 0x1f80;		/* MXCSR */
}

static bool loaded(struct task_struct *task)
{
	return this_cpu_read(libos_cpu.fpu_owner) == task &&
	       task->thread.fpu_cpu == raw_smp_processor_id();
}

/* Memory of the current task's registers becomes current; they stay loaded. */
void libos_fpu_save(struct task_struct *task)
{
	if (loaded(task))
		xsaveopt(task->thread.fpu);
}

/* Last thing before an application runs. */
void libos_fpu_load(void)
{
	struct task_struct *task = current;

	if (likely(loaded(task)))
		return;
	xrstor(task->thread.fpu);
	task->thread.fpu_cpu = raw_smp_processor_id();
	this_cpu_write(libos_cpu.fpu_owner, task);
}

/* The registers are about to be used by somebody else. */
static void release(void)
{
	libos_fpu_save(current);
	this_cpu_write(libos_cpu.fpu_owner, NULL);
}

/* The whole state, also components in their initial state, for a signal frame. */
void *libos_fpu_snapshot(void)
{
	libos_fpu_load();
	xsave(current->thread.fpu);
	return current->thread.fpu;
}

/* Take the state that was written into current->thread.fpu. */
void libos_fpu_replace(void)
{
	u64 *header = current->thread.fpu + XSAVE_HEADER;

	header[0] &= xfeatures;
	memset(header + 1, 0, 56);
	*(u32 *)(current->thread.fpu + 24) &= 0xffff;
	this_cpu_write(libos_cpu.fpu_owner, NULL);
}

u64 libos_fpu_features(void)
{
	return xfeatures;
}

void libos_fpu_flush(void)
{
	if (loaded(current))
		this_cpu_write(libos_cpu.fpu_owner, NULL);
	init_area(current->thread.fpu);
}

int arch_dup_task_struct(struct task_struct *dst, struct task_struct *src)
{
	*dst = *src;
	dst->thread.fpu = kmem_cache_alloc(area_cache, GFP_KERNEL);
	if (!dst->thread.fpu)
		return -ENOMEM;
	if (src == current && src->thread.fpu) {
		libos_fpu_save(src);
		memcpy(dst->thread.fpu, src->thread.fpu, libos_xsave_bytes);
	} else {
		init_area(dst->thread.fpu);
	}
	dst->thread.fpu_cpu = -1;
	dst->thread.fault_page = 0;
	dst->thread.deferred_flush = 0;
	return 0;
}

void arch_release_task_struct(struct task_struct *task)
{
	kmem_cache_free(area_cache, task->thread.fpu);
}

/* Called before the first task is made. */
void __init arch_task_cache_init(void)
{
	u32 a = 0xd, b, c = 0, d, high;

	asm volatile("cpuid" : "+a" (a), "=b" (b), "+c" (c), "=d" (d));
	asm volatile("xgetbv" : "=a" (xfeatures), "=d" (high) : "c" (0));
	xfeatures &= XFEATURES;
	libos_xsave_bytes = min_t(u32, b, sizeof(scratch));
	area_cache = kmem_cache_create("xsave", libos_xsave_bytes, 64,
				       SLAB_PANIC, NULL);
	init_task.thread.fpu = kmem_cache_alloc(area_cache, GFP_KERNEL);
	init_area(init_task.thread.fpu);
}

bool irq_fpu_usable(void)
{
	return !this_cpu_read(libos_cpu.in_kernel_fpu);
}

void kernel_fpu_begin_mask(unsigned int mask)
{
	preempt_disable();
	local_bh_disable();
	WARN_ON_ONCE(this_cpu_read(libos_cpu.in_kernel_fpu));
	release();
	this_cpu_write(libos_cpu.in_kernel_fpu, 1);
}

void kernel_fpu_end(void)
{
	this_cpu_write(libos_cpu.in_kernel_fpu, 0);
	local_bh_enable();
	preempt_enable();
}

long libos_hostcall(long (*fn)(void *), void *arg)
{
	unsigned long flags;
	long ret;

	local_irq_save(flags);
	if (unlikely(this_cpu_read(libos_cpu.in_kernel_fpu))) {
		void *area = this_cpu_ptr(scratch);

		xsave(area);
		ret = libos_call_host(fn, arg);
		xrstor(area);
	} else {
		release();
		ret = libos_call_host(fn, arg);
	}
	local_irq_restore(flags);
	return ret;
}

static void cpuid(u32 leaf, u32 sub, u32 out[4])
{
	asm volatile("cpuid" : "=a" (out[0]), "=b" (out[1]), "=c" (out[2]), "=d" (out[3])
		     : "0" (leaf), "2" (sub));
}

/* X86_FEATURE_* is word * 32 + bit; the words that the SIMD code asks about. */
bool libos_cpu_has(unsigned int feature)
{
	static const struct { u32 leaf, sub, reg; } words[NCAPINTS] = {
		[0] = { 1, 0, 3 }, [4] = { 1, 0, 2 }, [9] = { 7, 0, 1 },
		[16] = { 7, 0, 2 }, [18] = { 7, 0, 3 }, [12] = { 7, 1, 0 },
		[1] = { 0x80000001, 0, 3 }, [6] = { 0x80000001, 0, 2 },
	};
	unsigned int word = feature / 32;
	u32 out[4];

	if (word >= NCAPINTS || !words[word].leaf)
		return false;
	cpuid(words[word].leaf & 0x80000000, 0, out);
	if (out[0] < words[word].leaf)
		return false;
	cpuid(words[word].leaf, words[word].sub, out);
	return out[words[word].reg] >> (feature & 31) & 1;
}
EXPORT_SYMBOL(libos_cpu_has);
