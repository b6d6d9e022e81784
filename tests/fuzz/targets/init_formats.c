// SPDX-License-Identifier: Apache-2.0
/*
 * What PID 1 reads of a sealed image before it trusts it: JSON and a signature's
 * DER. Checked text is walked to its end, and every string taken out of it.
 */
#include "init_sys_stub.h"

#include "../../../enclave/runtime/init_text.c"
#include "../../../enclave/runtime/init_json.c"
#include "../../../enclave/runtime/init_pkcs7.c"

void *malloc(size_t size);
void free(void *memory);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

long sys_any(long nr, ...)
{
	return 0;
}

int machine_error_fd(void)
{
	return 2;
}

static void walk(const char *value, unsigned int depth)
{
	char text[32];

	if (depth > DEPTH_MAX)
		__builtin_trap();
	json_text(value, text, sizeof(text));
	json_number(value);
	json_bool(value);
	if (*value != '{' && *value != '[')
		return;
	json_count(value);
	json_get(value, "keys");
	for (const char *item = json_first(value); item; item = json_next(item))
		walk(*value == '{' ? json_value(item) : item, depth + 1);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	char *copy = malloc(size ? size : 1);	/* exactly: the sanitizer sees a step too far */

	for (size_t i = 0; i < size; i++)
		copy[i] = (char)data[i];
	if (json_check(copy, size))
		walk(copy, 0);
	pkcs7_has_one_form((const unsigned char *)copy, size);
	free(copy);
	return 0;
}
