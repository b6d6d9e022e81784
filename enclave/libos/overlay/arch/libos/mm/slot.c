// SPDX-License-Identifier: GPL-2.0-only
/*
 * VA slots: each exec gets 512 GiB of its own, so that switching between
 * programs costs no host call. Forked relatives share their slot, and programs
 * that ask for low addresses share slot 0: there, whoever runs takes the slot
 * over. That must be eager: with the other's pages mapped, no fault comes.
 */
#include <linux/mm.h>
#include <linux/sched.h>
#include <asm/mmu_context.h>
#include "shadow.h"

/* Under the lock. The host's view of the slot becomes that of @mm. */
void libos_take_slot(unsigned int index, struct mm_struct *mm)
{
	struct slot *slot = &libos_slots[index];
	unsigned long start = (unsigned long)index << LIBOS_SLOT_SHIFT;

	if (likely(slot->owner == mm))
		return;
	slot->owner = mm;
	if (!slot->shadow)
		return;
	libos_stats.slot_switches++;
	libos_sync_range(mm, start, start + LIBOS_SLOT_BYTES, true);
}

/* @mm is about to map something here. */
void libos_claim(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	unsigned long slot = start >> LIBOS_SLOT_SHIFT, last = (end - 1) >> LIBOS_SLOT_SHIFT;
	unsigned long flags;

	if (slot == last && test_bit(slot, mm->context.slots))
		return;
	flags = libos_tlb_lock();
	for (; slot <= last; slot++) {
		__set_bit(slot, mm->context.slots);
		if (mm == current->mm)
			libos_take_slot(slot, mm);
	}
	libos_tlb_unlock(flags);
}

void libos_switch_mm(struct mm_struct *next)
{
	unsigned int home, slot;
	unsigned long flags;

	if (next == &init_mm)
		return;
	home = next->context.home;
	if (READ_ONCE(libos_slots[home].owner) == next &&
	    bitmap_weight(next->context.slots, LIBOS_SLOTS) == 1)
		return;
	flags = libos_tlb_lock();
	for_each_set_bit(slot, next->context.slots, LIBOS_SLOTS)
		libos_take_slot(slot, next);
	libos_tlb_unlock(flags);
}

/* A new program gets a new home; a forked child inherited its parent's. */
static unsigned int find_home(void)
{
	static unsigned int hint;
	unsigned int i;

	for (i = 0; i < LIBOS_WIDE_SLOT - 1; i++) {
		unsigned int home = 1 + (hint + i) % (LIBOS_WIDE_SLOT - 1);

		if (libos_slots[home].users)
			continue;
		hint = home;
		return home;
	}
	return 0;
}

int libos_init_context(struct task_struct *task, struct mm_struct *mm)
{
	unsigned long flags = libos_tlb_lock();
	int err = 0;

	if (!mm->context.home) {
		mm->context.home = find_home();
		__set_bit(mm->context.home, mm->context.slots);
	}
	if (mm->context.home)
		libos_slots[mm->context.home].users++;
	else
		err = -ENOMEM;
	libos_tlb_unlock(flags);
	return err;
}

void libos_destroy_context(struct mm_struct *mm)
{
	unsigned long flags = libos_tlb_lock();
	unsigned int slot;

	for_each_set_bit(slot, mm->context.slots, LIBOS_SLOTS)
		if (libos_slots[slot].owner == mm)
			libos_take_slot(slot, NULL);
	if (mm->context.home)
		libos_slots[mm->context.home].users--;
	libos_tlb_unlock(flags);
}

unsigned long libos_home_base(void)
{
	unsigned long home = current->mm ? current->mm->context.home : 1;

	return home << LIBOS_SLOT_SHIFT;
}
