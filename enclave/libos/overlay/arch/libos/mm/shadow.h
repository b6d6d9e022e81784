/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ARCH_LIBOS_SHADOW_H
#define _ARCH_LIBOS_SHADOW_H
/*
 * The shadow: what the host maps right now at application addresses. One per
 * VA slot, a radix tree of the page tables' shape whose entries say which
 * frame is mapped and how. A flush compares it with the page tables.
 *
 * All of it, and the slots' owners, are under one lock, so that "read the
 * entry, map it in the host, note it" is atomic against "change the entry,
 * flush".
 */
#include <linux/mm.h>
#include <asm/layout.h>
#include <asm/pgtable.h>
#include "../kernel/libos.h"

#define SHADOW_PRESENT	(1UL << 0)
#define SHADOW_WRITE	(1UL << 1)
#define SHADOW_EXEC	(1UL << 2)
#define SHADOW_BIG	_PAGE_PSE	/* a 2 MiB mapping, at the pmd level */
#define SHADOW_MODE	(SHADOW_PRESENT | SHADOW_WRITE | SHADOW_EXEC)

struct slot {
	struct mm_struct *owner;	/* whose view the host maps here */
	u64 *shadow;			/* 512 entries of 1 GiB */
	unsigned int users;		/* mms with mappings here */
};
extern struct slot libos_slots[LIBOS_SLOTS];

static inline unsigned int index_of(unsigned long va, unsigned int shift)
{
	return va >> shift & 511;
}

/* How a page-table entry is mapped: writable only once it is dirty. */
static inline u64 mode_of(u64 entry)
{
	u64 mode = entry & _PAGE_PRESENT ? SHADOW_PRESENT : 0;

	if ((entry & _PAGE_WRITABLE) == _PAGE_WRITABLE)
		mode |= SHADOW_WRITE;
	if (!(entry & _PAGE_NX))
		mode |= SHADOW_EXEC;
	return mode;
}

static inline u64 shadow_of(u64 entry)
{
	return (entry & _PFN_MASK) | mode_of(entry);
}

static inline int prot_of(u64 mode)
{
	return RT_PROT_READ | (mode & SHADOW_WRITE ? RT_PROT_WRITE : 0) |
	       (mode & SHADOW_EXEC ? RT_PROT_EXEC : 0);
}

/* Entries that the walker sets bits in concurrently. */
static inline bool replace_entry(u64 *entry, u64 old, u64 new)
{
	return old == new || __atomic_compare_exchange_n(entry, &old, new, false,
							 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* shadow.c */
unsigned long libos_tlb_lock(void);
void libos_tlb_unlock(unsigned long flags);
u64 *shadow_pmd(struct slot *slot, unsigned long va, bool alloc);
u64 *shadow_table(u64 *pmd_entry, bool alloc);
void shadow_free_table(u64 *pmd_entry);
unsigned int *shadow_count(u64 *table);
void shadow_flush_all(void);
long shadow_map(unsigned long va, unsigned long bytes, u64 frame, u64 mode, bool populate);
void shadow_unmap(unsigned long va, unsigned long bytes);
u64 *find_pmd(struct mm_struct *mm, unsigned long va);

/* flush.c, slot.c */
void libos_sync_range(struct mm_struct *mm, unsigned long start, unsigned long end, bool switching);
void libos_take_slot(unsigned int index, struct mm_struct *mm);
void libos_claim(struct mm_struct *mm, unsigned long start, unsigned long end);
#endif
