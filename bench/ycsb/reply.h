// SPDX-License-Identifier: Apache-2.0
/*
 * Redis's replies (RESP 2), counted but not kept.
 */
#ifndef REPLY_H
#define REPLY_H

#include <stddef.h>

/* Starts as all zero; one reply is parsed at a time. */
struct reply {
	long pending;		/* elements still to come, besides this one */
	size_t skip;		/* bytes of a bulk string still to come, with its CRLF */
	char line[64];		/* a header line that is not complete yet */
	size_t line_bytes;
	int busy;
};

/*
 * Reads up to one reply from @data. Returns the bytes taken, or -EPROTO for an
 * error reply or nonsense; @ret_done is set when the reply is complete.
 */
long reply_feed(struct reply *r, const char *data, size_t bytes, int *ret_done);

#endif /* REPLY_H */
