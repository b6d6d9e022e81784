/* SPDX-License-Identifier: Apache-2.0 */
/* Pages that are filled with bytes of their own, and found to have kept them. */
#ifndef PAGES_H
#define PAGES_H

#include "check.h"

static inline void fill(unsigned char *at, unsigned long pages, unsigned int tag)
{
	for (unsigned long i = 0; i < pages; i++)
		memset(at + i * PAGE, (int)(tag + i * 7), PAGE);
}

static inline void verify(const unsigned char *at, unsigned long pages, unsigned int tag)
{
	for (unsigned long i = 0; i < pages; i++) {
		unsigned char wanted = (unsigned char)(tag + i * 7);

		for (unsigned long j = 0; j < PAGE; j += 61)
			if (at[i * PAGE + j] != wanted) {
				printf("  page %lu of %lu, byte %lu: %u, not %u\n", i, pages, j,
				       at[i * PAGE + j], wanted);
				fflush(stdout);
				_exit(1);
			}
	}
}

#endif /* PAGES_H */
