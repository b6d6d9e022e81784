// SPDX-License-Identifier: Apache-2.0
/* Records for PID 1's parsers (init_parsers.c), and a kernel that sometimes refuses. */
#include <asm/unistd.h>
#include <errno.h>
#include <setjmp.h>

#include "input.h"

void fuzz_init_parse(const char *start, size_t len);
long fuzz_kernel_says(long nr);
__attribute__((noreturn)) void finish(int status);

static jmp_buf ended;
static uint32_t dice;

long fuzz_kernel_says(long nr)
{
	dice = dice * 1664525 + 1013904223;
	if (nr == __NR_open)
		return 100;
	if (nr == __NR_write)
		return 1;
	return dice >> 28 ? 0 : -ENOENT;
}

/* PID 1 fails with a line. */
void finish(int status)
{
	longjmp(ended, 1 + status);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len = size - sizeof(dice);
	char *copy;

	if (size <= sizeof(dice))
		return 0;
	memcpy(&dice, data, sizeof(dice));
	copy = malloc(len);
	memcpy(copy, data + sizeof(dice), len);
	copy[len - 1] = '\0';	/* record_open() sees to that */
	if (!setjmp(ended))
		fuzz_init_parse(copy, len);
	free(copy);
	return 0;
}
