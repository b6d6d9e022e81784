// SPDX-License-Identifier: Apache-2.0
/*
 * sealed.c's other half, apart from libc, whose headers PID 1's can't stand:
 * PID 1's reading of a sealed configuration, from its signature's form to the
 * launch record that takes the host's place, of bytes that nobody signed.
 */
#include "init_sys_stub.h"

#include "../../../enclave/runtime/init_text.c"
#include "../../../enclave/runtime/init_record.c"
#include "../../../enclave/runtime/init_json.c"
#include "../../../enclave/runtime/init_pkcs7.c"
#include "../../../enclave/runtime/init_policy.c"
#include "../../../enclave/runtime/init_config.c"

void fuzz_sealed(const char *text, size_t len, const char *start, size_t bytes, char *room,
		 size_t size);

void fuzz_sealed(const char *text, size_t len, const char *start, size_t bytes, char *room,
		 size_t size)
{
	const char *document;

	/* What find_document() asks for is behind a signature's form: also without it. */
	if (json_check(text, len) == len) {
		document = text;
	} else {
		document = find_document(text);
		check_keys(document);
	}
	record.start = start;
	record.len = bytes;
	config.start = room;
	config.size = size;
	config.used = 0;
	put_document(document);
	put_host(document);
	if (config.used > size || (config.used && room[config.used - 1]))
		__builtin_trap();
}
