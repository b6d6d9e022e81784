// SPDX-License-Identifier: GPL-2.0-only
/* Memory operations: words for the small ones, string instructions for the rest. */
#include <linux/export.h>
#include <linux/types.h>
#include <asm/page.h>
#undef memcpy
#undef memset
#undef memmove
#undef memcmp

#define SMALL 256

typedef u64 __attribute__((aligned(1), may_alias)) word;
typedef u32 __attribute__((aligned(1), may_alias)) half;
typedef u16 __attribute__((aligned(1), may_alias)) quarter;

/* Up to 16 bytes: two loads that may overlap, then two stores. */
static __always_inline void copy_tiny(void *to, const void *from, size_t n)
{
	if (n >= 8) {
		u64 a = *(const word *)from, b = *(const word *)(from + n - 8);

		*(word *)to = a;
		*(word *)(to + n - 8) = b;
	} else if (n >= 4) {
		u32 a = *(const half *)from, b = *(const half *)(from + n - 4);

		*(half *)to = a;
		*(half *)(to + n - 4) = b;
	} else if (n >= 2) {
		u16 a = *(const quarter *)from, b = *(const quarter *)(from + n - 2);

		*(quarter *)to = a;
		*(quarter *)(to + n - 2) = b;
	} else if (n) {
		*(u8 *)to = *(const u8 *)from;
	}
}

void *memcpy(void *to, const void *from, size_t n)
{
	void *ret = to;

	if (n <= 16) {
		copy_tiny(to, from, n);
		return ret;
	}
	if (n <= SMALL) {
		u64 y = *(const word *)(from + n - 16), z = *(const word *)(from + n - 8);
		void *end = to + n;

		for (; n > 16; n -= 16, to += 16, from += 16) {
			u64 a = *(const word *)from, b = *(const word *)(from + 8);

			*(word *)to = a;
			*(word *)(to + 8) = b;
		}
		*(word *)(end - 16) = y;
		*(word *)(end - 8) = z;
		return ret;
	}
	asm volatile("rep movsb" : "+D" (to), "+S" (from), "+c" (n) :: "memory");
	return ret;
}
EXPORT_SYMBOL(memcpy);

void *memset(void *to, int byte, size_t n)
{
	u64 pattern = (u8)byte * 0x0101010101010101ULL;
	void *ret = to;

	if (n < 8) {
		for (; n; n--, to++)
			*(volatile u8 *)to = byte;
		return ret;
	}
	if (n <= SMALL) {
		*(word *)(to + n - 8) = pattern;
		for (; n >= 8; n -= 8, to += 8)
			*(word *)to = pattern;
		return ret;
	}
	asm volatile("rep stosb" : "+D" (to), "+c" (n) : "a" (byte) : "memory");
	return ret;
}
EXPORT_SYMBOL(memset);

void *memmove(void *to, const void *from, size_t n)
{
	if (n <= 16) {
		copy_tiny(to, from, n);
		return to;
	}
	if ((unsigned long)to - (unsigned long)from >= n)
		return memcpy(to, from, n);
	for (; n >= 8; n -= 8)
		*(word *)(to + n - 8) = *(const volatile word *)(from + n - 8);
	for (; n; n--)
		*(volatile u8 *)(to + n - 1) = *(const u8 *)(from + n - 1);
	return to;
}
EXPORT_SYMBOL(memmove);

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *x = a, *y = b;

	for (; n >= 8 && *(const word *)x == *(const word *)y; n -= 8, x += 8, y += 8)
		;
	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}
EXPORT_SYMBOL(memcmp);

void libos_clear_page(void *page)
{
	size_t n = PAGE_SIZE / 8;

	asm volatile("rep stosq" : "+D" (page), "+c" (n) : "a" (0UL) : "memory");
}
EXPORT_SYMBOL(libos_clear_page);

void libos_copy_page(void *to, const void *from)
{
	size_t n = PAGE_SIZE;

	asm volatile("rep movsb" : "+D" (to), "+S" (from), "+c" (n) :: "memory");
}
EXPORT_SYMBOL(libos_copy_page);
