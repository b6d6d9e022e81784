// SPDX-License-Identifier: GPL-2.0-only
/*
 * VA slots: each exec gets 512 GiB of its own, so that switching between
 * programs costs no host call. Forked relatives share their slot, and programs
 * that ask for low addresses share slot 0: there, whoever runs takes the slot
 * over. That must be eager: with the other's pages mapped, no fault comes.
 */
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
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

static bool shares_a_slot(struct mm_struct *mm)
{
	unsigned int slot;

	for_each_set_bit(slot, mm->context.slots, LIBOS_SLOTS)
		if (READ_ONCE(libos_slots[slot].users) > 1)
			return true;
	return false;
}

static struct task_struct *find_unpinned(unsigned int slot, int cpu)
{
	struct task_struct *process, *thread, *found = NULL;

	rcu_read_lock();
	for_each_process_thread(process, thread) {
		struct mm_struct *mm = READ_ONCE(thread->mm);

		if (!mm || thread->flags & (PF_KTHREAD | PF_EXITING) || thread->thread.pin == cpu + 1 ||
		    !test_bit(slot, mm->context.slots))
			continue;
		found = thread;
		get_task_struct(found);
		break;
	}
	rcu_read_unlock();
	return found;
}

/*
 * Until forked children have a process of their own in the host, whoever
 * shares a slot also shares a CPU: two views can't be mapped at once.
 */
static void pin_sharers(unsigned int slot, int cpu)
{
	struct task_struct *task;

	while (num_online_cpus() > 1 && (task = find_unpinned(slot, cpu))) {
		task->thread.pin = cpu + 1;
		set_cpus_allowed_ptr(task, cpumask_of(cpu));
		put_task_struct(task);
	}
}

/* On the way to the application: alone again, it may run anywhere. */
void libos_check_pin(void)
{
	int cpu = current->thread.pin - 1;

	if (!current->mm || !shares_a_slot(current->mm)) {
		current->thread.pin = 0;
		set_cpus_allowed_ptr(current, cpu_possible_mask);
	} else if (cpu != raw_smp_processor_id()) {
		set_cpus_allowed_ptr(current, cpumask_of(cpu));
	}
}

/* A thread that was made while its process was being pinned may have missed it. */
void libos_check_new_pin(void)
{
	struct mm_struct *mm = current->mm;

	if (num_online_cpus() > 1 && mm && !current->thread.pin && shares_a_slot(mm))
		pin_sharers(mm->context.home, raw_smp_processor_id());
}

/* @mm is about to map something here. */
void libos_claim(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	unsigned long slot = start >> LIBOS_SLOT_SHIFT, last = (end - 1) >> LIBOS_SLOT_SHIFT;
	unsigned long flags;

	if (slot == last && test_bit(slot, mm->context.slots))
		return;
	for (; slot <= last; slot++) {
		flags = libos_tlb_lock();
		if (!__test_and_set_bit(slot, mm->context.slots))
			libos_slots[slot].users++;
		libos_tlb_unlock(flags);
		if (libos_slots[slot].users > 1)
			pin_sharers(slot, 0);
		flags = libos_tlb_lock();
		if (mm == current->mm)
			libos_take_slot(slot, mm);
		libos_tlb_unlock(flags);
	}
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

/* A slot of its own for a new program, or the one that is shared least. */
static unsigned int find_home(void)
{
	static unsigned int hint;
	unsigned int i, best = 0;

	for (i = 0; i < LIBOS_WIDE_SLOT - 1; i++) {
		unsigned int home = 1 + (hint + i) % (LIBOS_WIDE_SLOT - 1);

		if (!best || libos_slots[home].users < libos_slots[best].users)
			best = home;
		if (!libos_slots[home].users)
			break;
	}
	hint = best;
	return best;
}

static void settle(struct mm_struct *mm)
{
	mm->context.home = find_home();
	__set_bit(mm->context.home, mm->context.slots);
	libos_slots[mm->context.home].users++;
}

static void inherit(struct mm_struct *mm)
{
	unsigned int slot;

	for_each_set_bit(slot, mm->context.slots, LIBOS_SLOTS)
		libos_slots[slot].users++;
}

/* The child starts where its parent runs, and stays there. */
static void pin_child(struct task_struct *child, struct mm_struct *mm)
{
	int cpu = current->thread.pin ? current->thread.pin - 1 : raw_smp_processor_id();

	if (num_online_cpus() == 1)
		return;
	pin_sharers(mm->context.home, cpu);
	if (child == current) {	/* exec, when there are more programs than slots */
		child->thread.pin = cpu + 1;
		set_cpus_allowed_ptr(child, cpumask_of(cpu));
		return;
	}
	cpumask_copy(&child->cpus_mask, cpumask_of(cpu));
	child->nr_cpus_allowed = 1;
	child->thread.pin = cpu + 1;
}

int libos_init_context(struct task_struct *task, struct mm_struct *mm)
{
	unsigned long flags = libos_tlb_lock();
	bool forked = mm->context.home;

	if (forked)
		inherit(mm);
	else
		settle(mm);
	libos_tlb_unlock(flags);
	if (libos_slots[mm->context.home].users > 1)
		pin_child(task, mm);
	return 0;
}

void libos_destroy_context(struct mm_struct *mm)
{
	unsigned long flags = libos_tlb_lock();
	unsigned int slot;

	for_each_set_bit(slot, mm->context.slots, LIBOS_SLOTS) {
		if (libos_slots[slot].owner == mm)
			libos_take_slot(slot, NULL);
		libos_slots[slot].users--;
	}
	libos_tlb_unlock(flags);
}

unsigned long libos_home_base(void)
{
	unsigned long home = current->mm ? current->mm->context.home : 1;

	return home << LIBOS_SLOT_SHIFT;
}
