// SPDX-License-Identifier: GPL-2.0-only
/* System calls that are x86-64's own. */
#include <linux/mm.h>
#include <linux/syscalls.h>
#include <asm/prctl.h>
#include "libos.h"

SYSCALL_DEFINE6(mmap, unsigned long, addr, unsigned long, len, unsigned long, prot,
		unsigned long, flags, unsigned long, fd, unsigned long, offset)
{
	if (offset & ~PAGE_MASK)
		return -EINVAL;
	return ksys_mmap_pgoff(addr, len, prot, flags, fd, offset >> PAGE_SHIFT);
}

/* GS base is the per-CPU base of the library kernel: not to be had. */
SYSCALL_DEFINE2(arch_prctl, int, option, unsigned long, arg)
{
	unsigned long base;

	switch (option) {
	case ARCH_SET_FS:
		if (arg >= TASK_SIZE)
			return -EPERM;
		asm volatile("wrfsbase %0" :: "r" (arg));
		return 0;
	case ARCH_GET_FS:
		asm volatile("rdfsbase %0" : "=r" (base));
		return put_user(base, (unsigned long __user *)arg);
	default:
		return -EINVAL;
	}
}
