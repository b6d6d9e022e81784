// SPDX-License-Identifier: Apache-2.0
/*
 * Gives PID 1's JSON reader mutations of a document, each in a buffer of
 * exactly its size, and walks all of what it accepts: AddressSanitizer sees a
 * byte too far. Prints how many were accepted.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "init_json.h"

/* init_text.c's, which has memcpy of its own beside it. */
const char *text_after(const char *s, const char *prefix)
{
	while (*prefix)
		if (*s++ != *prefix++)
			return NULL;
	return s;
}

static uint64_t state = 88172645463325252u;

static uint64_t draw(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % below;
}

static void walk(const char *value, unsigned int depth)
{
	char text[64];

	if (depth > 8)
		abort();
	json_text(value, text, sizeof(text));
	json_number(value);
	json_bool(value);
	for (const char *i = json_first(value); i; i = json_next(i))
		walk(*value == '{' ? json_value(i) : i, depth + 1);
	json_get(value, "root");
}

static size_t mutate(char *text, size_t len)
{
	static const char bytes[] = "{}[]\",:\\u0123456789abcdefnrtx- \n";
	size_t at = draw(len);

	switch (draw(4)) {
	case 0:
		text[at] = draw(256);
		break;
	case 1:
		text[at] = bytes[draw(sizeof(bytes) - 1)];
		break;
	case 2:
		return at + 1;
	default:
		memmove(text + at, text + at + 1, len - at - 1);
		return len - 1 ?: 1;
	}
	return len;
}

int main(int argc, char **argv)
{
	size_t len = argc > 2 ? strlen(argv[1]) : 0;
	long rounds = argc > 2 ? atol(argv[2]) : 0;
	unsigned long accepted = 0;

	while (len && rounds--) {
		char *text = malloc(len), *exact;
		size_t now = len, whole;

		memcpy(text, argv[1], len);
		for (uint64_t i = draw(4); i; i--)
			now = mutate(text, now);
		exact = malloc(now);
		memcpy(exact, text, now);
		whole = json_check(exact, now);
		if (whole) {
			accepted++;
			walk(exact, 0);
		}
		free(exact);
		free(text);
	}
	printf("%lu\n", accepted);
	return 0;
}
