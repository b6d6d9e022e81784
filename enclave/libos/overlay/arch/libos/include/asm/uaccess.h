/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_UACCESS_H
#define _ASM_LIBOS_UACCESS_H
#include <linux/string.h>
#include <linux/stringify.h>
#include <asm/layout.h>
#include <asm/extable.h>

#define LIBOS_EXTABLE(from, to)					\
	".pushsection __ex_table,\"a\"\n"				\
	"	.balign 8\n"						\
	"	.quad " #from ", " #to "\n"				\
	"	.popsection\n"

extern unsigned long libos_ram_end;

/* Below the end of user addresses, and not in the hole of image and RAM. */
static __always_inline bool __access_ok(const void __user *ptr, unsigned long size)
{
	unsigned long addr = (unsigned long)ptr;

	return size <= LIBOS_USER_END && addr <= LIBOS_USER_END - size &&
	       (addr >= libos_ram_end || addr + size <= LIBOS_IMAGE_BASE);
}
#define __access_ok __access_ok

/* Return the number of bytes not copied. */
extern unsigned long libos_copy_user(void *to, const void *from, unsigned long n);
extern unsigned long libos_clear_user(void *to, unsigned long n);

static __always_inline unsigned long
raw_copy_from_user(void *to, const void __user *from, unsigned long n)
{
	return libos_copy_user(to, (const void __force *)from, n);
}

static __always_inline unsigned long
raw_copy_to_user(void __user *to, const void *from, unsigned long n)
{
	return libos_copy_user((void __force *)to, from, n);
}

#define __libos_get(type, mov, reg, to, from, label)			\
do {									\
	type __gu_v;							\
	asm goto("1:	" mov " %[mem], %[v]\n"			\
		 LIBOS_EXTABLE(1b, %l[label])				\
		 : [v] reg (__gu_v)					\
		 : [mem] "m" (*(const type *)(from))			\
		 : : label);						\
	*(type *)(to) = __gu_v;						\
} while (0)

#define __libos_put(type, mov, reg, to, from, label)			\
	asm goto("1:	" mov " %[v], %[mem]\n"			\
		 LIBOS_EXTABLE(1b, %l[label])				\
		 : : [v] reg (*(const type *)(from)), [mem] "m" (*(type *)(to)) \
		 : "memory" : label)

static __always_inline int libos_get(unsigned long size, const void *from, void *to)
{
	switch (size) {
	case 1:
		__libos_get(u8, "movb", "=q", to, from, fault);
		return 0;
	case 2:
		__libos_get(u16, "movw", "=r", to, from, fault);
		return 0;
	case 4:
		__libos_get(u32, "movl", "=r", to, from, fault);
		return 0;
	default:
		__libos_get(u64, "movq", "=r", to, from, fault);
		return 0;
	}
fault:
	memset(to, 0, size);
	return -EFAULT;
}

static __always_inline int libos_put(unsigned long size, void *to, const void *from)
{
	switch (size) {
	case 1:
		__libos_put(u8, "movb", "q", to, from, fault);
		return 0;
	case 2:
		__libos_put(u16, "movw", "r", to, from, fault);
		return 0;
	case 4:
		__libos_put(u32, "movl", "r", to, from, fault);
		return 0;
	default:
		__libos_put(u64, "movq", "r", to, from, fault);
		return 0;
	}
fault:
	return -EFAULT;
}

#define __get_user_fn(size, from, to) libos_get(size, (const void __force *)(from), to)
#define __put_user_fn(size, to, from) libos_put(size, (void __force *)(to), from)
#define __clear_user(to, n) libos_clear_user((void __force *)(to), n)
#include <asm-generic/uaccess.h>
#endif
