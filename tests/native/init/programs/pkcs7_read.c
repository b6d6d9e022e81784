// SPDX-License-Identifier: Apache-2.0
/*
 * Reads a signature, flips each of its bits in turn, and prints the number of
 * each byte (or "whole") of which a change is still of PKCS#7's one form.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "init_pkcs7.h"

/* In a buffer of exactly its size: AddressSanitizer sees a byte too far. */
static bool check(const unsigned char *signature, size_t len)
{
	unsigned char *exact = malloc(len);
	bool ret;

	memcpy(exact, signature, len);
	ret = pkcs7_has_one_form(exact, len);
	free(exact);
	return ret;
}

int main(void)
{
	static unsigned char signature[4096];
	ssize_t len = read(STDIN_FILENO, signature, sizeof(signature));

	if (len <= 0)
		return 1;
	if (check(signature, len))
		puts("whole");
	for (ssize_t cut = 0; cut < len; cut++)
		if (check(signature, cut))
			printf("cut %zd\n", cut);
	for (ssize_t bit = 0; bit < len * 8; bit++) {
		signature[bit / 8] ^= 1 << bit % 8;
		if (check(signature, len))
			printf("%zd\n", bit / 8);
		signature[bit / 8] ^= 1 << bit % 8;
	}
	return 0;
}
