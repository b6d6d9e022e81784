/* SPDX-License-Identifier: Apache-2.0 */
/* The fuzzer's bytes, taken one decision at a time; zeroes when they have run out. */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct input {
	const uint8_t *at;
	size_t left;
};

#define CHECK(condition)                                                   \
	do {                                                               \
		if (!(condition)) {                                        \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__,   \
				__LINE__, #condition);                     \
			abort();                                           \
		}                                                          \
	} while (0)

static inline void take(struct input *in, void *to, size_t bytes)
{
	size_t n = bytes < in->left ? bytes : in->left;

	memset(to, 0, bytes);
	if (n)
		memcpy(to, in->at, n);
	in->at += n;
	in->left -= n;
}

static inline uint8_t take8(struct input *in)
{
	uint8_t ret;

	take(in, &ret, sizeof(ret));
	return ret;
}

static inline uint16_t take16(struct input *in)
{
	uint16_t ret;

	take(in, &ret, sizeof(ret));
	return ret;
}

static inline uint32_t take32(struct input *in)
{
	uint32_t ret;

	take(in, &ret, sizeof(ret));
	return ret;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif /* FUZZ_INPUT_H */
