/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * JSON in the one spelling of the owner's tools (rktio/common/strict_json.py):
 * sorted keys, no spaces, ASCII, \u escapes in lower case, integers only.
 * json_check() looks at every byte once; the others then walk checked text.
 */
#ifndef INIT_JSON_H
#define INIT_JSON_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The length of the object that @text begins with, or 0 when it is not in its
 * one spelling, nested too deeply, or longer than @len.
 */
size_t json_check(const char *text, size_t len);

/* The value of @key, or NULL when @object has none or is no object. */
const char *json_get(const char *object, const char *key);

/*
 * The first value of an array, or the first key of an object; NULL: empty, or
 * neither. json_next() steps on; a key's value is json_value(key).
 */
const char *json_first(const char *container);
const char *json_next(const char *item);
const char *json_value(const char *key);
size_t json_count(const char *container);

/* Decode a string to UTF-8; false when it is none or does not fit. */
bool json_text(const char *value, char *ret, size_t size);
/* Is it this string? */
bool json_is(const char *value, const char *text);
/* A number, or a string that is one; -1 when it is neither, or negative. */
long json_number(const char *value);
/* 1, 0, or -1 when it is no boolean. */
int json_bool(const char *value);

/* base64 with padding, in its one spelling; the length, or -1. */
long base64_decode(const char *text, size_t len, unsigned char *ret, size_t size);

#endif /* INIT_JSON_H */
