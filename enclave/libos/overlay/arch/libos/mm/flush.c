// SPDX-License-Identifier: GPL-2.0-only
/*
 * TLB flushes: compare what the host maps with what the page tables say now,
 * and unmap, make read-only or keep; neighbours go in one host call.
 */
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <asm/tlbflush.h>
#include "shadow.h"

#define MANY_CHANGES	16	/* in one table: unmap the 2 MiB, refill lazily */
#define SWITCH_BUDGET	48	/* host calls to bring a switched slot up to date */

enum verdict { DROP, KEEP, DOWNGRADE };

/* Adjacent changes that wait for one host call. */
struct batch {
	unsigned long unmap_start, unmap_end;
	unsigned long protect_start, protect_end;
	u64 protect_mode;
	bool switching;
	int budget;
};

static void flush_unmap(struct batch *batch)
{
	if (batch->unmap_end)
		shadow_unmap(batch->unmap_start, batch->unmap_end - batch->unmap_start);
	batch->unmap_end = 0;
}

static void flush_protect(struct batch *batch)
{
	if (batch->protect_end) {
		libos_stats.host_protects++;
		rt_protect(batch->protect_start, batch->protect_end - batch->protect_start,
			   prot_of(batch->protect_mode));
	}
	batch->protect_end = 0;
}

/* What lies between two dropped pages is not mapped, or ends the batch. */
static void drop(struct batch *batch, unsigned long va, unsigned long bytes)
{
	flush_protect(batch);
	if (batch->unmap_end && batch->unmap_start < LIBOS_IMAGE_BASE && va >= LIBOS_IMAGE_BASE)
		flush_unmap(batch);
	if (!batch->unmap_end)
		batch->unmap_start = va;
	batch->unmap_end = va + bytes;
}

static void keep(struct batch *batch)
{
	flush_unmap(batch);
}

static void downgrade(struct batch *batch, unsigned long va, unsigned long bytes, u64 mode)
{
	flush_unmap(batch);
	if (batch->protect_end && (batch->protect_end != va || batch->protect_mode != mode))
		flush_protect(batch);
	if (!batch->protect_end)
		batch->protect_start = va;
	batch->protect_mode = mode;
	batch->protect_end = va + bytes;
}

static enum verdict judge(const struct batch *batch, u64 shadow, u64 entry)
{
	if (!(entry & _PAGE_PRESENT) || (shadow ^ entry) & _PFN_MASK)
		return DROP;
	if (shadow & SHADOW_EXEC && entry & _PAGE_NX)
		return DROP;
	if (!batch->switching && !(entry & _PAGE_ACCESSED))
		return DROP;	/* the next access must set it */
	if (shadow & SHADOW_WRITE && !(mode_of(entry) & SHADOW_WRITE))
		return DOWNGRADE;
	return KEEP;
}

static void mark_accessed(struct batch *batch, u64 *entry)
{
	u64 value = READ_ONCE(*entry);

	if (batch->switching && value & _PAGE_PRESENT)
		replace_entry(entry, value, value | _PAGE_ACCESSED);
}

static void sync_huge(struct batch *batch, u64 *shadow, u64 *entry, unsigned long va)
{
	u64 value = entry ? READ_ONCE(*entry) : 0;

	va &= PMD_MASK;
	switch (value & _PAGE_PSE ? judge(batch, *shadow & ~SHADOW_BIG, value) : DROP) {
	case DROP:
		drop(batch, va, PMD_SIZE);
		*shadow = 0;
		break;
	case KEEP:
		keep(batch);
		mark_accessed(batch, entry);
		break;
	case DOWNGRADE:
		*shadow &= ~SHADOW_WRITE;
		downgrade(batch, va, PMD_SIZE, *shadow & SHADOW_MODE);
		mark_accessed(batch, entry);
	}
}

static bool many_changes(struct batch *batch, const u64 *shadow, const u64 *table)
{
	enum verdict last = KEEP, now;
	int i, changes = 0;

	for (i = 0; i < 512; i++) {
		if (!shadow[i])
			continue;
		now = judge(batch, shadow[i], READ_ONCE(table[i]));
		changes += now != last;
		last = now;
	}
	return changes > MANY_CHANGES;
}

/*
 * Switching to a relative that has its own page here: replace the run of such
 * pages in one call, since they are likely to be touched. Returns their number.
 */
static int replace_run(struct batch *batch, u64 *shadow, u64 *table, int i, int end, unsigned long va)
{
	u64 first = READ_ONCE(table[i]);
	const u64 wanted = _PAGE_PRESENT | _PAGE_ACCESSED;
	int n = 1, k;

	if (!batch->switching || !batch->budget || (first & wanted) != wanted)
		return 0;
	while (i + n < end && shadow[i + n]) {
		u64 next = READ_ONCE(table[i + n]);

		if (shadow_of(next) != shadow_of(first) + ((u64)n << PAGE_SHIFT) ||
		    judge(batch, shadow[i + n], next) != DROP)
			break;
		n++;
	}
	flush_unmap(batch);
	flush_protect(batch);
	batch->budget--;
	if (shadow_map(va, (unsigned long)n << PAGE_SHIFT, first & _PFN_MASK, mode_of(first), false))
		return 0;
	for (k = 0; k < n; k++)
		shadow[i + k] = shadow_of(first) + ((u64)k << PAGE_SHIFT);
	return n;
}

static void sync_table(struct batch *batch, u64 *pmd, u64 *table, unsigned long va, unsigned long end)
{
	u64 *shadow = (u64 *)*pmd;
	int i = index_of(va, PAGE_SHIFT), n;
	int last = i + ((end - va) >> PAGE_SHIFT);

	if (table && batch->switching && last - i == 512 && many_changes(batch, shadow, table)) {
		drop(batch, va, PMD_SIZE);
		shadow_free_table(pmd);
		return;
	}
	for (; i < last; i++, va += PAGE_SIZE) {
		if (!shadow[i])
			continue;
		switch (table ? judge(batch, shadow[i], READ_ONCE(table[i])) : DROP) {
		case DROP:
			n = table ? replace_run(batch, shadow, table, i, last, va) : 0;
			if (n) {
				i += n - 1;
				va += (unsigned long)(n - 1) << PAGE_SHIFT;
				break;
			}
			drop(batch, va, PAGE_SIZE);
			shadow[i] = 0;
			--*shadow_count(shadow);
			break;
		case KEEP:
			keep(batch);
			mark_accessed(batch, &table[i]);
			break;
		case DOWNGRADE:
			shadow[i] &= ~SHADOW_WRITE;
			downgrade(batch, va, PAGE_SIZE, shadow[i] & SHADOW_MODE);
			mark_accessed(batch, &table[i]);
		}
	}
	if (!*shadow_count(shadow))
		shadow_free_table(pmd);
}

/* Within one slot. @mm NULL: nothing stays. */
void libos_sync_range(struct mm_struct *mm, unsigned long start, unsigned long end, bool switching)
{
	struct slot *slot = &libos_slots[start >> LIBOS_SLOT_SHIFT];
	struct batch batch = { .switching = switching, .budget = SWITCH_BUDGET };
	unsigned long va, next;

	for (va = start; slot->shadow && va < end; va = next) {
		u64 *pmd = shadow_pmd(slot, va, false), *entry, value;

		next = pmd ? (va | (PMD_SIZE - 1)) + 1 : (va | (PUD_SIZE - 1)) + 1;
		if (!pmd || !*pmd)
			continue;
		entry = mm ? find_pmd(mm, va) : NULL;
		value = entry ? READ_ONCE(*entry) : 0;
		if (*pmd & SHADOW_BIG)
			sync_huge(&batch, pmd, entry, va);
		else
			sync_table(&batch, pmd, value && !(value & _PAGE_PSE) ? __va(value & _PFN_MASK) : NULL,
				   va, min(next, end));
	}
	flush_protect(&batch);
	flush_unmap(&batch);
}

/*
 * Copy-on-write clears the entry, flushes, and sets it to the copy; the fault
 * then maps the copy over the old page. Where nobody else can use the old
 * mapping meanwhile, that flush is left to the refill.
 */
static bool may_defer(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	return end - start == PAGE_SIZE && current->thread.fault_page == start &&
	       mm == current->mm &&
	       (num_online_cpus() == 1 || atomic_read(&mm->mm_users) == 1);
}

void libos_tlb_flush(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	unsigned long flags, irqs, slot;

	if (start < end && may_defer(mm, start, end)) {
		current->thread.deferred_flush = start;
		return;
	}
	end = min(end, LIBOS_USER_END);
	if (start >= end)
		return;
	local_irq_save(irqs);
	flags = libos_tlb_lock();
	for (slot = start >> LIBOS_SLOT_SHIFT; slot <= (end - 1) >> LIBOS_SLOT_SHIFT; slot++) {
		struct mm_struct *owner = libos_slots[slot].owner;

		if (!libos_slots[slot].shadow || (mm && owner != mm))
			continue;
		libos_sync_range(owner, max(start, slot << LIBOS_SLOT_SHIFT),
				 min(end, (slot + 1) << LIBOS_SLOT_SHIFT), false);
	}
	libos_tlb_unlock(flags);
	local_irq_restore(irqs);
}

/* The fault did not come to the refill that the flush was left to. */
void libos_drop_deferred(struct task_struct *task)
{
	unsigned long va = task->thread.deferred_flush;
	unsigned long flags;

	task->thread.fault_page = 0;
	task->thread.deferred_flush = 0;
	if (!va || !task->mm)
		return;
	flags = libos_tlb_lock();
	if (libos_slots[va >> LIBOS_SLOT_SHIFT].owner == task->mm)
		libos_sync_range(task->mm, va, va + PAGE_SIZE, false);
	libos_tlb_unlock(flags);
}
