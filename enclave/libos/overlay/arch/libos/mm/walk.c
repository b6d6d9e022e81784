// SPDX-License-Identifier: GPL-2.0-only
/*
 * The "hardware" page walker: an access that the host does not map is looked
 * up in the page tables; accessed and dirty bits are set, and the whole run of
 * contiguous pages around it is mapped with one host call.
 */
#include <linux/sched.h>
#include "shadow.h"

#define AROUND		256	/* pages of the window that a read fault fills */
#define AROUND_CALLS	4	/* host calls that this is worth */

struct run {
	u64 frame, mode;	/* of the first page */
	int low, high;		/* indices in the table, inclusive */
};

static bool allows(u64 entry, unsigned long error)
{
	u64 need = _PAGE_PRESENT | (error & LIBOS_FAULT_WRITE ? _PAGE_RW : 0);

	return (entry & need) == need && !(error & LIBOS_FAULT_FETCH && entry & _PAGE_NX);
}

/* Set accessed, and dirty on a write; 0 if the access is not allowed. */
static u64 touch(u64 *entry, unsigned long error)
{
	u64 old, new;

	do {
		old = READ_ONCE(*entry);
		if (!allows(old, error))
			return 0;
		new = old | _PAGE_ACCESSED | (error & LIBOS_FAULT_WRITE ? _PAGE_DIRTY : 0);
	} while (!replace_entry(entry, old, new));
	return new;
}

static bool continues(u64 entry, const struct run *run, int index, u64 shadow)
{
	return mode_of(entry) == run->mode &&
	       (entry & _PFN_MASK) == run->frame + ((s64)(index - run->low) << PAGE_SHIFT) &&
	       shadow != shadow_of(entry);
}

static void extend_down(struct run *run, const u64 *table, const u64 *shadow)
{
	while (run->low > 0 &&
	       continues(READ_ONCE(table[run->low - 1]), run, run->low - 1, shadow[run->low - 1])) {
		run->low--;
		run->frame -= PAGE_SIZE;
	}
}

static void extend_up(struct run *run, const u64 *table, const u64 *shadow, int limit)
{
	while (run->high + 1 < limit &&
	       continues(READ_ONCE(table[run->high + 1]), run, run->high + 1, shadow[run->high + 1]))
		run->high++;
}

static long map_run(unsigned long base, const struct run *run, u64 *table, u64 *shadow, bool write)
{
	unsigned long va = base + ((unsigned long)run->low << PAGE_SHIFT);
	unsigned long pages = run->high - run->low + 1;
	long err;
	int i;

	err = shadow_map(va, pages << PAGE_SHIFT, run->frame, run->mode, write && pages > 1);
	if (err)
		return err;
	for (i = run->low; i <= run->high; i++) {
		u64 mapped = (run->frame + ((u64)(i - run->low) << PAGE_SHIFT)) | run->mode;
		u64 entry = READ_ONCE(table[i]);

		if (!shadow[i])
			++*shadow_count(shadow);
		shadow[i] = mapped;
		if (shadow_of(entry) == mapped)
			replace_entry(&table[i], entry, entry | _PAGE_ACCESSED);
	}
	return 0;
}

/* Reads come in sequences: map what is present in the window around. */
static long map_around(unsigned long base, int index, u64 *table, u64 *shadow)
{
	int i = round_down(index, AROUND), end = i + AROUND, calls = 0;

	while (i < end && calls < AROUND_CALLS) {
		u64 entry = READ_ONCE(table[i]);
		struct run run = { entry & _PFN_MASK, mode_of(entry), i, i };
		long err;

		if (!(entry & _PAGE_PRESENT) || shadow[i] == shadow_of(entry)) {
			i++;
			continue;
		}
		extend_up(&run, table, shadow, end);
		err = map_run(base, &run, table, shadow, false);
		if (err)
			return err;
		calls++;
		i = run.high + 1;
	}
	return 0;
}

static long refill_table(struct slot *slot, u64 *table, unsigned long va, unsigned long error)
{
	int index = index_of(va, PAGE_SHIFT);
	unsigned long base = va & PMD_MASK;
	u64 entry = touch(&table[index], error);
	u64 *pmd, *shadow;
	struct run run;
	long err;

	if (!entry)
		return 0;
	pmd = shadow_pmd(slot, va, true);
	if (!pmd)
		return -ENOMEM;
	if (*pmd & SHADOW_BIG) {
		shadow_unmap(base, PMD_SIZE);
		*pmd = 0;
	}
	shadow = shadow_table(pmd, true);
	if (!shadow)
		return -ENOMEM;
	if (shadow[index] == shadow_of(entry))
		return 1;	/* another CPU was faster */
	run = (struct run){ entry & _PFN_MASK, mode_of(entry), index, index };
	extend_down(&run, table, shadow);
	extend_up(&run, table, shadow, 512);
	err = map_run(base, &run, table, shadow, error & LIBOS_FAULT_WRITE);
	if (!err && !(error & LIBOS_FAULT_WRITE))
		err = map_around(base, index, table, shadow);
	return err ?: 1;
}

static long refill_huge(struct slot *slot, u64 *entry, unsigned long va, unsigned long error)
{
	u64 value = touch(entry, error), *pmd;
	long err;

	if (!value)
		return 0;
	pmd = shadow_pmd(slot, va, true);
	if (!pmd)
		return -ENOMEM;
	if (*pmd == (shadow_of(value) | SHADOW_BIG))
		return 1;
	err = shadow_map(va & PMD_MASK, PMD_SIZE, value & _PFN_MASK, mode_of(value), false);
	if (err)
		return err;
	shadow_free_table(pmd);
	*pmd = shadow_of(value) | SHADOW_BIG;
	return 1;
}

/* 1: mapped; 0: the page tables have no answer; or an error of the host. */
static long refill(struct mm_struct *mm, unsigned long va, unsigned long error)
{
	unsigned int index = va >> LIBOS_SLOT_SHIFT;
	u64 *entry, value;

	if (!test_bit(index, mm->context.slots))
		return 0;
	libos_take_slot(index, mm);
	entry = find_pmd(mm, va);
	value = entry ? READ_ONCE(*entry) : 0;
	if (!value)
		return 0;
	if (value & _PAGE_PSE)
		return refill_huge(&libos_slots[index], entry, va, error);
	return refill_table(&libos_slots[index], __va(value & _PFN_MASK), va, error);
}

/* In the host's signal handler, or at the end of a fault. */
bool libos_tlb_refill(unsigned long va, unsigned long error)
{
	struct mm_struct *mm = current->mm;
	unsigned long flags;
	long ret;

	if (!mm || va >= LIBOS_USER_END || va < LIBOS_LOWEST_USER ||
	    (va >= LIBOS_IMAGE_BASE && va < libos_ram_end))
		return false;
	flags = libos_tlb_lock();
	ret = refill(mm, va, error);
	if (ret < 0) {
		shadow_flush_all();
		ret = refill(mm, va, error);
	}
	libos_stats.refills += ret > 0;
	libos_tlb_unlock(flags);
	return ret > 0;
}
