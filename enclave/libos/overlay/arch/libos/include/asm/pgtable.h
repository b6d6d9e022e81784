/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_PGTABLE_H
#define _ASM_LIBOS_PGTABLE_H
/*
 * Software page tables of x86-64's shape. No hardware walks them: mm/walk.c
 * does, from the host's SIGSEGV, and the host's mmap is the TLB.
 */
#include <asm-generic/pgtable-nop4d.h>

#define _PAGE_PRESENT	(1UL << 0)
#define _PAGE_RW	(1UL << 1)
#define _PAGE_USER	(1UL << 2)
#define _PAGE_ACCESSED	(1UL << 5)
#define _PAGE_DIRTY	(1UL << 6)
#define _PAGE_PSE	(1UL << 7)
#define _PAGE_PROTNONE	(1UL << 8)
#define _PAGE_SPECIAL	(1UL << 9)
#define _PAGE_NX	(1UL << 63)
#define _PFN_MASK	0x000ffffffffff000UL

#define _PAGE_TABLE	(_PAGE_PRESENT | _PAGE_RW | _PAGE_USER | _PAGE_ACCESSED | _PAGE_DIRTY)
#define _PAGE_CHG_MASK	(_PFN_MASK | _PAGE_SPECIAL | _PAGE_ACCESSED | _PAGE_DIRTY | _PAGE_PSE)
#define _PAGE_WRITABLE	(_PAGE_RW | _PAGE_DIRTY)

#define PMD_SHIFT	21
#define PMD_SIZE	(1UL << PMD_SHIFT)
#define PMD_MASK	(~(PMD_SIZE - 1))
#define PUD_SHIFT	30
#define PUD_SIZE	(1UL << PUD_SHIFT)
#define PUD_MASK	(~(PUD_SIZE - 1))
#define PGDIR_SHIFT	39
#define PGDIR_SIZE	(1UL << PGDIR_SHIFT)
#define PGDIR_MASK	(~(PGDIR_SIZE - 1))
#define PTRS_PER_PTE	512
#define PTRS_PER_PMD	512
#define PTRS_PER_PUD	512
#define PTRS_PER_PGD	512
#define USER_PTRS_PER_PGD LIBOS_SLOTS

#define VMALLOC_START	LIBOS_VMALLOC_START
#define VMALLOC_END	LIBOS_VMALLOC_END
#define MODULES_VADDR	VMALLOC_START
#define MODULES_END	VMALLOC_END

#ifndef __ASSEMBLY__
#include <linux/mm_types.h>
#include <linux/sched.h>
#include <asm/page.h>
#include <asm/processor.h>

#define PFN_PTE_SHIFT	PAGE_SHIFT
#define pte_ERROR(e)	pr_err("bad pte %lx\n", pte_val(e))
#define pmd_ERROR(e)	pr_err("bad pmd %lx\n", pmd_val(e))
#define pud_ERROR(e)	pr_err("bad pud %lx\n", pud_val(e))
#define pgd_ERROR(e)	pr_err("bad pgd %lx\n", pgd_val(e))

extern pgd_t swapper_pg_dir[PTRS_PER_PGD];
extern struct page *libos_zero_page;
#define ZERO_PAGE(vaddr) libos_zero_page

#define _PAGE_USER_READ	(_PAGE_PRESENT | _PAGE_USER | _PAGE_ACCESSED)
#define PAGE_NONE		__pgprot(_PAGE_PROTNONE | _PAGE_ACCESSED)
#define PAGE_READONLY		__pgprot(_PAGE_USER_READ | _PAGE_NX)
#define PAGE_READONLY_EXEC	__pgprot(_PAGE_USER_READ)
#define PAGE_COPY		PAGE_READONLY
#define PAGE_COPY_EXEC		PAGE_READONLY_EXEC
#define PAGE_SHARED		__pgprot(_PAGE_USER_READ | _PAGE_RW | _PAGE_NX)
#define PAGE_SHARED_EXEC	__pgprot(_PAGE_USER_READ | _PAGE_RW)
#define PAGE_KERNEL		__pgprot(_PAGE_PRESENT | _PAGE_WRITABLE | _PAGE_ACCESSED | _PAGE_NX)
#define PAGE_KERNEL_EXEC	__pgprot(_PAGE_PRESENT | _PAGE_WRITABLE | _PAGE_ACCESSED)
#define PAGE_KERNEL_RO		__pgprot(_PAGE_PRESENT | _PAGE_ACCESSED | _PAGE_NX)

static inline void set_pte(pte_t *ptep, pte_t pte) { WRITE_ONCE(*ptep, pte); }
static inline void set_pmd(pmd_t *pmdp, pmd_t pmd) { WRITE_ONCE(*pmdp, pmd); }
static inline void set_pud(pud_t *pudp, pud_t pud) { WRITE_ONCE(*pudp, pud); }
static inline void set_p4d(p4d_t *p4dp, p4d_t p4d) { WRITE_ONCE(*p4dp, p4d); }

/* pte */
#define pte_none(p)	(!pte_val(p))
#define pte_present(p)	(pte_val(p) & (_PAGE_PRESENT | _PAGE_PROTNONE))
#define pte_pfn(p)	((pte_val(p) & _PFN_MASK) >> PAGE_SHIFT)
#define pte_page(p)	pfn_to_page(pte_pfn(p))
#define pfn_pte(pfn, prot) __pte(((unsigned long)(pfn) << PAGE_SHIFT) | pgprot_val(prot))
#define mk_pte(page, prot) pfn_pte(page_to_pfn(page), prot)
#define pte_clear(mm, addr, ptep) set_pte(ptep, __pte(0))
#define __HAVE_ARCH_PTE_SAME
static inline int pte_same(pte_t a, pte_t b) { return pte_val(a) == pte_val(b); }

static inline int pte_write(pte_t p) { return !!(pte_val(p) & _PAGE_RW); }
static inline int pte_dirty(pte_t p) { return !!(pte_val(p) & _PAGE_DIRTY); }
static inline int pte_young(pte_t p) { return !!(pte_val(p) & _PAGE_ACCESSED); }
static inline int pte_special(pte_t p) { return !!(pte_val(p) & _PAGE_SPECIAL); }
static inline pte_t pte_wrprotect(pte_t p) { return __pte(pte_val(p) & ~_PAGE_RW); }
static inline pte_t pte_mkwrite_novma(pte_t p) { return __pte(pte_val(p) | _PAGE_RW); }
static inline pte_t pte_mkdirty(pte_t p) { return __pte(pte_val(p) | _PAGE_DIRTY); }
static inline pte_t pte_mkclean(pte_t p) { return __pte(pte_val(p) & ~_PAGE_DIRTY); }
static inline pte_t pte_mkyoung(pte_t p) { return __pte(pte_val(p) | _PAGE_ACCESSED); }
static inline pte_t pte_mkold(pte_t p) { return __pte(pte_val(p) & ~_PAGE_ACCESSED); }
static inline pte_t pte_mkspecial(pte_t p) { return __pte(pte_val(p) | _PAGE_SPECIAL); }
static inline pte_t pte_modify(pte_t p, pgprot_t prot)
{
	return __pte((pte_val(p) & _PAGE_CHG_MASK) | (pgprot_val(prot) & ~_PAGE_CHG_MASK));
}

/*
 * The walker of any CPU sets accessed and dirty with cmpxchg, so whoever takes
 * bits away must not lose what it set.
 */
static inline unsigned long libos_pte_xchg(unsigned long *entry, unsigned long new)
{
	return __atomic_exchange_n(entry, new, __ATOMIC_SEQ_CST);
}

static inline unsigned long libos_pte_clear_bits(unsigned long *entry, unsigned long bits)
{
	return __atomic_fetch_and(entry, ~bits, __ATOMIC_SEQ_CST);
}

#define __HAVE_ARCH_PTEP_GET_AND_CLEAR
static inline pte_t ptep_get_and_clear(struct mm_struct *mm, unsigned long addr, pte_t *ptep)
{
	return __pte(libos_pte_xchg(&ptep->pte, 0));
}

#define __HAVE_ARCH_PTEP_SET_WRPROTECT
static inline void ptep_set_wrprotect(struct mm_struct *mm, unsigned long addr, pte_t *ptep)
{
	libos_pte_clear_bits(&ptep->pte, _PAGE_RW);
}

#define __HAVE_ARCH_PTEP_TEST_AND_CLEAR_YOUNG
static inline int ptep_test_and_clear_young(struct vm_area_struct *vma,
					    unsigned long addr, pte_t *ptep)
{
	return !!(libos_pte_clear_bits(&ptep->pte, _PAGE_ACCESSED) & _PAGE_ACCESSED);
}

/* pmd */
#define pmd_none(p)	(!pmd_val(p))
#define pmd_present(p)	(pmd_val(p) & (_PAGE_PRESENT | _PAGE_PROTNONE | _PAGE_PSE))
#define pmd_leaf pmd_leaf
static inline bool pmd_leaf(pmd_t p) { return pmd_val(p) & _PAGE_PSE; }
#define pmd_bad(p)	((pmd_val(p) & ~_PFN_MASK) != _PAGE_TABLE)
#define pmd_clear(p)	set_pmd(p, __pmd(0))
#define pmd_pfn(p)	((pmd_val(p) & _PFN_MASK) >> PAGE_SHIFT)
#define pmd_page(p)	pfn_to_page(pmd_pfn(p))
#define pmd_page_vaddr(p) ((unsigned long)__va(pmd_val(p) & _PFN_MASK))
#define pmd_write pmd_write
static inline int pmd_write(pmd_t p) { return !!(pmd_val(p) & _PAGE_RW); }
#define pmd_dirty pmd_dirty
static inline int pmd_dirty(pmd_t p) { return !!(pmd_val(p) & _PAGE_DIRTY); }
#define pmd_young pmd_young
static inline int pmd_young(pmd_t p) { return !!(pmd_val(p) & _PAGE_ACCESSED); }

/* pud and p4d: never leaves */
#define pud_none(p)	(!pud_val(p))
#define pud_present(p)	(pud_val(p) & _PAGE_PRESENT)
#define pud_bad(p)	((pud_val(p) & ~_PFN_MASK) != _PAGE_TABLE)
#define pud_clear(p)	set_pud(p, __pud(0))
#define pud_pfn(p)	((pud_val(p) & _PFN_MASK) >> PAGE_SHIFT)
#define pud_page(p)	pfn_to_page(pud_pfn(p))
#define pud_pgtable(p)	((pmd_t *)__va(pud_val(p) & _PFN_MASK))
#define p4d_none(p)	(!p4d_val(p))
#define p4d_present(p)	(p4d_val(p) & _PAGE_PRESENT)
#define p4d_bad(p)	((p4d_val(p) & ~_PFN_MASK) != _PAGE_TABLE)
#define p4d_clear(p)	set_p4d(p, __p4d(0))
#define p4d_pfn(p)	((p4d_val(p) & _PFN_MASK) >> PAGE_SHIFT)
#define p4d_page(p)	pfn_to_page(p4d_pfn(p))
#define p4d_pgtable(p)	((pud_t *)__va(p4d_val(p) & _PFN_MASK))
#define pgprot_nx(p)	__pgprot(pgprot_val(p) | _PAGE_NX)

/* transparent huge pages */
#define has_transparent_hugepage() 1
#define pmd_trans_huge(p) (!!(pmd_val(p) & _PAGE_PSE))
#define pfn_pmd(pfn, prot) __pmd(((unsigned long)(pfn) << PAGE_SHIFT) | pgprot_val(prot))
#define mk_pmd(page, prot) pfn_pmd(page_to_pfn(page), prot)
static inline pte_t pmd_pte(pmd_t p) { return __pte(pmd_val(p)); }
static inline pmd_t pmd_mkhuge(pmd_t p) { return __pmd(pmd_val(p) | _PAGE_PSE); }
static inline pmd_t pmd_wrprotect(pmd_t p) { return __pmd(pmd_val(p) & ~_PAGE_RW); }
static inline pmd_t pmd_mkwrite_novma(pmd_t p) { return __pmd(pmd_val(p) | _PAGE_RW); }
static inline pmd_t pmd_mkdirty(pmd_t p) { return __pmd(pmd_val(p) | _PAGE_DIRTY); }
static inline pmd_t pmd_mkclean(pmd_t p) { return __pmd(pmd_val(p) & ~_PAGE_DIRTY); }
static inline pmd_t pmd_mkyoung(pmd_t p) { return __pmd(pmd_val(p) | _PAGE_ACCESSED); }
static inline pmd_t pmd_mkold(pmd_t p) { return __pmd(pmd_val(p) & ~_PAGE_ACCESSED); }
static inline pmd_t pmd_mkinvalid(pmd_t p)
{
	return __pmd((pmd_val(p) & ~_PAGE_PRESENT) | _PAGE_PROTNONE);
}
static inline pmd_t pmd_modify(pmd_t p, pgprot_t prot)
{
	return __pmd((pmd_val(p) & _PAGE_CHG_MASK) | (pgprot_val(prot) & ~_PAGE_CHG_MASK));
}
static inline void set_pmd_at(struct mm_struct *mm, unsigned long addr, pmd_t *pmdp, pmd_t pmd)
{
	set_pmd(pmdp, pmd);
}

#define __HAVE_ARCH_PMDP_HUGE_GET_AND_CLEAR
static inline pmd_t pmdp_huge_get_and_clear(struct mm_struct *mm, unsigned long addr, pmd_t *pmdp)
{
	return __pmd(libos_pte_xchg(&pmdp->pmd, 0));
}

#define __HAVE_ARCH_PMDP_SET_WRPROTECT
static inline void pmdp_set_wrprotect(struct mm_struct *mm, unsigned long addr, pmd_t *pmdp)
{
	libos_pte_clear_bits(&pmdp->pmd, _PAGE_RW);
}

#define pmdp_establish pmdp_establish
static inline pmd_t pmdp_establish(struct vm_area_struct *vma, unsigned long addr,
				   pmd_t *pmdp, pmd_t pmd)
{
	return __pmd(libos_pte_xchg(&pmdp->pmd, pmd_val(pmd)));
}

/* The walker runs at the end of every fault; there is nothing to preload. */
#define update_mmu_cache_range(vmf, vma, addr, ptep, nr) do { } while (0)
#define update_mmu_cache(vma, addr, ptep) do { } while (0)
#define update_mmu_cache_pmd(vma, addr, pmdp) do { } while (0)
#define flush_tlb_fix_spurious_fault(vma, addr, ptep) do { } while (0)
#define flush_tlb_fix_spurious_fault_pmd(vma, addr, pmdp) do { } while (0)

/* Not-present entries for migration: type in bits 10-14, offset from bit 15. */
#define __swp_type(e)		(((e).val >> 10) & 0x1f)
#define __swp_offset(e)		((e).val >> 15)
#define __swp_entry(type, off)	((swp_entry_t) { ((type) & 0x1f) << 10 | (unsigned long)(off) << 15 })
#define __pte_to_swp_entry(p)	((swp_entry_t) { pte_val(p) })
#define __swp_entry_to_pte(e)	__pte((e).val)
#define __pmd_to_swp_entry(p)	((swp_entry_t) { pmd_val(p) })
#define __swp_entry_to_pmd(e)	__pmd((e).val)
#define _PAGE_SWP_EXCLUSIVE	_PAGE_USER
static inline bool pte_swp_exclusive(pte_t p) { return pte_val(p) & _PAGE_SWP_EXCLUSIVE; }
static inline pte_t pte_swp_mkexclusive(pte_t p) { return __pte(pte_val(p) | _PAGE_SWP_EXCLUSIVE); }
static inline pte_t pte_swp_clear_exclusive(pte_t p) { return __pte(pte_val(p) & ~_PAGE_SWP_EXCLUSIVE); }

/* A fault costs 7 us, a page mapped with others next to nothing. */
#define ARCH_FAULT_AROUND_BYTES (1UL << 20)

#define HAVE_ARCH_UNMAPPED_AREA
#define HAVE_ARCH_UNMAPPED_AREA_TOPDOWN
#endif
#endif
