// SPDX-License-Identifier: GPL-2.0-only
/* x86-64's table of system calls, from x86's own list. */
#include <linux/linkage.h>
#include <linux/cache.h>
#include <asm/syscall.h>
#include <asm/unistd.h>

/* Of x86 hardware that we are not. */
#define sys_iopl sys_ni_syscall
#define sys_ioperm sys_ni_syscall
#define sys_modify_ldt sys_ni_syscall
#define sys_uretprobe sys_ni_syscall
#define sys_uprobe sys_ni_syscall
#define sys_map_shadow_stack sys_ni_syscall

#define __SYSCALL_NORETURN(nr, sym) __SYSCALL(nr, sym)
#define __SYSCALL(nr, sym) extern long sym(unsigned long, unsigned long, unsigned long, \
					   unsigned long, unsigned long, unsigned long);
#include <asm/syscall_table_64.h>
#undef __SYSCALL

#define __SYSCALL(nr, sym) sym,
const sys_call_ptr_t sys_call_table[] = {
#include <asm/syscall_table_64.h>
};
