/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_STRING_H
#define _ASM_LIBOS_STRING_H
#define __HAVE_ARCH_MEMCPY
#define __HAVE_ARCH_MEMSET
#define __HAVE_ARCH_MEMMOVE
#define __HAVE_ARCH_MEMCMP
extern void *memcpy(void *to, const void *from, __kernel_size_t n);
extern void *memset(void *to, int byte, __kernel_size_t n);
extern void *memmove(void *to, const void *from, __kernel_size_t n);
extern int memcmp(const void *a, const void *b, __kernel_size_t n);
#endif
