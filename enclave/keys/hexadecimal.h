/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as lower-case hexadecimal digits. */
#ifndef KEYS_HEXADECIMAL_H
#define KEYS_HEXADECIMAL_H

#include <stddef.h>
#include <stdint.h>

/* Write 2 * @bytes digits and a terminator. */
static inline void hexadecimal(char *dst, const uint8_t *src, size_t bytes)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < bytes; i++) {
		*dst++ = digits[src[i] >> 4];
		*dst++ = digits[src[i] & 15];
	}
	*dst = '\0';
}

#endif /* KEYS_HEXADECIMAL_H */
