/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_FUTEX_H
#define _ASM_LIBOS_FUTEX_H
#include <linux/errno.h>
#include <linux/futex.h>
#include <linux/uaccess.h>

static inline int futex_atomic_cmpxchg_inatomic(u32 *uval, u32 __user *uaddr,
						u32 oldval, u32 newval)
{
	if (!access_ok(uaddr, sizeof(u32)))
		return -EFAULT;
	asm goto("1:	lock; cmpxchgl %[new], %[mem]\n"
		 LIBOS_EXTABLE(1b, %l[fault])
		 : [mem] "+m" (*(u32 __force *)uaddr), "+a" (oldval)
		 : [new] "r" (newval)
		 : "memory", "cc"
		 : fault);
	*uval = oldval;
	return 0;
fault:
	return -EFAULT;
}

static inline int arch_futex_atomic_op_inuser(int op, u32 oparg, int *oval,
					      u32 __user *uaddr)
{
	u32 old, new, seen;
	int err;

	if (!access_ok(uaddr, sizeof(u32)))
		return -EFAULT;
	err = __get_user(old, uaddr);
	while (!err) {
		switch (op) {
		case FUTEX_OP_SET:
			new = oparg;
			break;
		case FUTEX_OP_ADD:
			new = old + oparg;
			break;
		case FUTEX_OP_OR:
			new = old | oparg;
			break;
		case FUTEX_OP_ANDN:
			new = old & ~oparg;
			break;
		case FUTEX_OP_XOR:
			new = old ^ oparg;
			break;
		default:
			return -ENOSYS;
		}
		err = futex_atomic_cmpxchg_inatomic(&seen, uaddr, old, new);
		if (!err && seen == old) {
			*oval = old;
			return 0;
		}
		old = seen;
	}
	return err;
}
#endif
