// SPDX-License-Identifier: GPL-2.0-only
/* The shadow's tree and the host calls that it mirrors. */
#include <linux/gfp.h>
#include "shadow.h"

struct slot libos_slots[LIBOS_SLOTS];
static int tlb_lock;

/*
 * Taken from the host's signal handler too, so it neither preempts nor runs
 * what is pending; a holder may be descheduled by the host, so yield to it.
 */
unsigned long libos_tlb_lock(void)
{
	unsigned long flags = raw_cpu_read(libos_cpu.irqs_off);
	unsigned int spins = 0;

	raw_cpu_write(libos_cpu.irqs_off, 1);
	barrier();
	while (__atomic_exchange_n(&tlb_lock, 1, __ATOMIC_ACQUIRE)) {
		while (READ_ONCE(tlb_lock)) {
			asm volatile("pause");
			if (!(++spins & 255))
				rt_yield();
		}
	}
	return flags;
}

void libos_tlb_unlock(unsigned long flags)
{
	__atomic_store_n(&tlb_lock, 0, __ATOMIC_RELEASE);
	raw_cpu_write(libos_cpu.irqs_off, flags);
}

static u64 *new_table(void)
{
	u64 *table = (u64 *)get_zeroed_page(GFP_ATOMIC | __GFP_NOWARN);

	if (table)
		*shadow_count(table) = 0;
	return table;
}

/* How many entries of a last-level table are in use. */
unsigned int *shadow_count(u64 *table)
{
	return (unsigned int *)&virt_to_page(table)->private;
}

u64 *shadow_pmd(struct slot *slot, unsigned long va, bool alloc)
{
	u64 *entry;

	if (!slot->shadow) {
		if (!alloc || !(slot->shadow = new_table()))
			return NULL;
	}
	entry = &slot->shadow[index_of(va, PUD_SHIFT)];
	if (!*entry) {
		if (!alloc || !(*entry = (u64)new_table()))
			return NULL;
	}
	return (u64 *)*entry + index_of(va, PMD_SHIFT);
}

u64 *shadow_table(u64 *pmd_entry, bool alloc)
{
	if (!*pmd_entry && alloc)
		*pmd_entry = (u64)new_table();
	return (u64 *)*pmd_entry;
}

void shadow_free_table(u64 *pmd_entry)
{
	if (*pmd_entry && !(*pmd_entry & SHADOW_BIG)) {
		virt_to_page((void *)*pmd_entry)->private = 0;
		free_page(*pmd_entry);
	}
	*pmd_entry = 0;
}

static void free_slot(struct slot *slot)
{
	int i, j;

	for (i = 0; slot->shadow && i < 512; i++) {
		u64 *pmds = (u64 *)slot->shadow[i];

		for (j = 0; pmds && j < 512; j++)
			shadow_free_table(&pmds[j]);
		free_page((unsigned long)pmds);
	}
	free_page((unsigned long)slot->shadow);
	slot->shadow = NULL;
}

/* The host has no room for more mappings: start over, and refill lazily. */
void shadow_flush_all(void)
{
	int i;

	libos_stats.full_flushes++;
	rt_unmap(LIBOS_LOWEST_USER, LIBOS_IMAGE_BASE - LIBOS_LOWEST_USER);
	rt_unmap(libos_ram_end, LIBOS_USER_END - libos_ram_end);
	for (i = 0; i < LIBOS_SLOTS; i++)
		free_slot(&libos_slots[i]);
}

long shadow_map(unsigned long va, unsigned long bytes, u64 frame, u64 mode, bool populate)
{
	libos_stats.host_maps++;
	return rt_map(va, bytes, prot_of(mode), frame - LIBOS_RAM_BASE, populate);
}

void shadow_unmap(unsigned long va, unsigned long bytes)
{
	libos_stats.host_unmaps++;
	rt_unmap(va, bytes);
}

u64 *find_pmd(struct mm_struct *mm, unsigned long va)
{
	pgd_t *pgd = mm->pgd + index_of(va, PGDIR_SHIFT);
	p4d_t *p4d = (p4d_t *)pgd;
	pud_t *pud;

	if (p4d_none(*p4d))
		return NULL;
	pud = p4d_pgtable(*p4d) + index_of(va, PUD_SHIFT);
	if (pud_none(*pud))
		return NULL;
	return (u64 *)(pud_pgtable(*pud) + index_of(va, PMD_SHIFT));
}
