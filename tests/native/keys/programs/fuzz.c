// SPDX-License-Identifier: Apache-2.0
/* For libFuzzer: the first byte says what the rest is. */
#include "parse.h"
#include "refusal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct teekey *key;

	if (!key && teekey_create(&key))
		abort();
	if (!size)
		return 0;
	if (parse(data[0], data + 1, size - 1, key) < 0 && !refusal()[0])
		abort();	/* refused without a reason */
	refusal_forget();
	return 0;
}
