// SPDX-License-Identifier: Apache-2.0
/*
 * Parses message after message. Prints the public key, then for each message
 * on standard input (a kind, 4 bytes of length in the machine's order, and the
 * bytes) a line: "taken", or "refused: " and the reason.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"
#include "refusal.h"

int main(void)
{
	struct teekey *key;
	char jwk[TEEKEY_JWK_MAX];
	uint32_t length;
	int kind;

	if (teekey_create(&key) || teekey_jwk(key, jwk))
		return 1;
	puts(jwk);
	fflush(stdout);
	while ((kind = getchar()) != EOF && fread(&length, sizeof(length), 1, stdin) == 1) {
		/* On the heap and of the exact size: a byte too far is seen. */
		uint8_t *bytes = malloc(length ? length : 1);

		if (!bytes || fread(bytes, 1, length, stdin) != length)
			return 1;
		if (parse(kind, bytes, length, key) < 0)
			printf("refused: %s\n", refusal());
		else
			puts("taken");
		fflush(stdout);
		refusal_forget();
		free(bytes);
	}
	teekey_destroy(key);
	return 0;
}
