// SPDX-License-Identifier: GPL-2.0-only
/* Maps the vDSO's one page into every program. */
#include <linux/binfmts.h>
#include <linux/elf.h>
#include <linux/init.h>
#include <linux/mm.h>

#define PLACEHOLDER 0x6c69626f73656e74UL	/* vdso.S */

extern const char libos_vdso_image[], libos_vdso_image_end[];

static struct page *vdso_pages[2];
static struct vm_special_mapping vdso_mapping = {
	.name = "[vdso]",
	.pages = vdso_pages,
};

static int __init vdso_init(void)
{
	size_t bytes = libos_vdso_image_end - libos_vdso_image, i;
	u64 *words;

	BUG_ON(bytes > PAGE_SIZE);
	vdso_pages[0] = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (!vdso_pages[0])
		return -ENOMEM;
	words = page_address(vdso_pages[0]);
	memcpy(words, libos_vdso_image, bytes);
	for (i = 0; i < bytes / 8; i++)
		if (words[i] == PLACEHOLDER)
			words[i] = (unsigned long)libos_entry;
	return 0;
}
subsys_initcall(vdso_init);

int arch_setup_additional_pages(struct linux_binprm *bprm, int uses_interp)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	unsigned long addr;
	int err = 0;

	if (mmap_write_lock_killable(mm))
		return -EINTR;
	addr = get_unmapped_area(NULL, 0, PAGE_SIZE, 0, 0);
	if (IS_ERR_VALUE(addr)) {
		err = addr;
		goto unlock;
	}
	vma = _install_special_mapping(mm, addr, PAGE_SIZE,
				       VM_READ | VM_EXEC | VM_MAYREAD | VM_MAYEXEC,
				       &vdso_mapping);
	if (IS_ERR(vma))
		err = PTR_ERR(vma);
	else
		mm->context.vdso = (void *)addr;
unlock:
	mmap_write_unlock(mm);
	return err;
}
