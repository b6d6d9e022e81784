// SPDX-License-Identifier: GPL-2.0-only
/* Copies between kernel and application; a fault ends them early. */
#include <linux/export.h>
#include <linux/uaccess.h>

#define SMALL 256	/* rep movsb starts slowly on CPUs without FSRM */

static unsigned long copy_string(void *to, const void *from, unsigned long n)
{
	asm volatile("1:	rep movsb\n"
		     "2:\n"
		     LIBOS_EXTABLE(1b, 2b)
		     : "+D" (to), "+S" (from), "+c" (n) :: "memory");
	return n;
}

unsigned long libos_copy_user(void *to, const void *from, unsigned long n)
{
	if (n > SMALL)
		return copy_string(to, from, n);
	for (; n >= 8; n -= 8, to += 8, from += 8) {
		asm goto("1:	movq (%0), %%rax\n"
			 "2:	movq %%rax, (%1)\n"
			 LIBOS_EXTABLE(1b, %l[tail])
			 LIBOS_EXTABLE(2b, %l[tail])
			 :: "r" (from), "r" (to) : "rax", "memory" : tail);
	}
	for (; n; n--, to++, from++) {
		asm goto("1:	movb (%0), %%al\n"
			 "2:	movb %%al, (%1)\n"
			 LIBOS_EXTABLE(1b, %l[tail])
			 LIBOS_EXTABLE(2b, %l[tail])
			 :: "r" (from), "r" (to) : "rax", "memory" : tail);
	}
	return 0;
tail:
	return copy_string(to, from, n);	/* to the exact byte */
}
EXPORT_SYMBOL(libos_copy_user);

unsigned long libos_clear_user(void *to, unsigned long n)
{
	asm volatile("1:	rep stosb\n"
		     "2:\n"
		     LIBOS_EXTABLE(1b, 2b)
		     : "+D" (to), "+c" (n) : "a" (0) : "memory");
	return n;
}
EXPORT_SYMBOL(libos_clear_user);
