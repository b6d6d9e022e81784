// SPDX-License-Identifier: Apache-2.0
/* A sealed configuration up to the first NUL, then a launch record, for sealed_parsers.c. */
#include <asm/unistd.h>
#include <setjmp.h>

#include "input.h"

void fuzz_sealed(const char *text, size_t len, const char *start, size_t bytes, char *room,
		 size_t size);
long fuzz_kernel_says(long nr);
__attribute__((noreturn)) void finish(int status);

static jmp_buf ended;

long fuzz_kernel_says(long nr)
{
	return nr == __NR_write;
}

/* PID 1 fails with a line. */
void finish(int status)
{
	longjmp(ended, 1 + status);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len = size ? strnlen((const char *)data, size - 1) : 0;
	/* Now and then too small. */
	size_t room = 4 * size + 256 * (size % 3);
	char *text, *record, *made;

	if (len + 1 >= size)
		return 0;
	text = calloc(1, len + 1);
	memcpy(text, data, len);
	record = malloc(size - len - 1);
	memcpy(record, data + len + 1, size - len - 1);
	record[size - len - 2] = '\0';
	made = malloc(room);
	if (!setjmp(ended))
		fuzz_sealed(text, len, record, size - len - 1, made, room);
	free(made);
	free(record);
	free(text);
	return 0;
}
