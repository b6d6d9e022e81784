// SPDX-License-Identifier: Apache-2.0
/* Strict base64: spare bits are zero, nothing is skipped, padding is exact. */
#include "base64.h"

#include <errno.h>
#include <string.h>

static const char *alphabet(enum base64_kind kind)
{
	return kind == BASE64URL ?
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" :
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
}

size_t base64_encode(char *dst, const uint8_t *src, size_t bytes, enum base64_kind kind)
{
	const char *letters = alphabet(kind);
	char *start = dst;

	for (; bytes; src += 3) {
		size_t now = bytes < 3 ? bytes : 3;
		uint32_t bits = src[0] << 16;

		if (now > 1)
			bits |= src[1] << 8;
		if (now > 2)
			bits |= src[2];
		for (size_t i = 0; i < 4; i++)
			if (i <= now)
				*dst++ = letters[bits >> (18 - 6 * i) & 63];
			else if (kind == BASE64)
				*dst++ = '=';
		bytes -= now;
	}
	*dst = '\0';
	return dst - start;
}

/* Of up to four letters that stand for @length - 1 bytes. */
static int decode_group(uint8_t out[3], const char *src, size_t length, const char *letters)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < length; i++) {
		const char *found = src[i] ? strchr(letters, src[i]) : NULL;

		if (!found)
			return -EBADMSG;
		bits |= (uint32_t)(found - letters) << (18 - 6 * i);
	}
	if (length < 2 || bits & (0xffffffU >> 8 * (length - 1) & 0xffffff))
		return -EBADMSG;
	out[0] = bits >> 16;
	out[1] = bits >> 8;
	out[2] = bits;
	return 0;
}

long base64_decode(uint8_t *dst, size_t room, const char *src, size_t length, enum base64_kind kind)
{
	const char *letters = alphabet(kind);
	size_t done = 0, now;
	uint8_t group[3];

	if (kind == BASE64) {
		if (length % 4)
			return -EBADMSG;
		for (int i = 0; i < 2 && length && src[length - 1] == '='; i++)
			length--;
	}
	for (; length; src += now, length -= now, done += now - 1) {
		now = length < 4 ? length : 4;
		if (decode_group(group, src, now, letters))
			return -EBADMSG;
		if (now - 1 > room - done)
			return -EMSGSIZE;
		memcpy(dst + done, group, now - 1);
	}
	return done;
}
