/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 (RFC 4648) in its one spelling: padded, or base64url without padding. */
#ifndef KEYS_BASE64_H
#define KEYS_BASE64_H

#include <stddef.h>
#include <stdint.h>

enum base64_kind { BASE64, BASE64URL };

/* Characters of @bytes bytes, without a terminator. */
static inline size_t base64_length(size_t bytes)
{
	return (bytes + 2) / 3 * 4;
}

/* Write a string; @dst has room for base64_length(@bytes) + 1. Returns its length. */
size_t base64_encode(char *dst, const uint8_t *src, size_t bytes, enum base64_kind kind);

/*
 * Decode @length characters. Returns the number of bytes, or -EBADMSG for any
 * other spelling than base64_encode()'s, -EMSGSIZE beyond @room. It gives no reason.
 */
long base64_decode(uint8_t *dst, size_t room, const char *src, size_t length, enum base64_kind kind);

#endif /* KEYS_BASE64_H */
