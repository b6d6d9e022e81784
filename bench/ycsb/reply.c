// SPDX-License-Identifier: Apache-2.0
/*
 * An incremental parser: a reply may come in any number of pieces.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reply.h"

static int take_header(struct reply *r)
{
	long count = strtol(r->line + 1, NULL, 10);

	switch (r->line[0]) {
	case '*':
		r->pending += count > 0 ? count : 0;
		return 0;
	case '$':
		r->skip = count < 0 ? 0 : (size_t)count + 2;
		return 0;
	case '+':
	case ':':
		return 0;
	default:
		fprintf(stderr, "ycsb: the server answered: %s\n", r->line);
		return -EPROTO;
	}
}

/* Returns the bytes taken; the header is complete when line_bytes is 0 again. */
static long feed_header(struct reply *r, const char *data, size_t bytes)
{
	const char *end = memchr(data, '\n', bytes);
	size_t part = end ? (size_t)(end - data) + 1 : bytes;
	size_t room = sizeof(r->line) - 1 - r->line_bytes;
	size_t kept = part < room ? part : room;
	int err;

	memcpy(r->line + r->line_bytes, data, kept);
	r->line_bytes += kept;
	r->line[r->line_bytes] = 0;
	if (!end)
		return (long)part;
	r->line[strcspn(r->line, "\r\n")] = 0;
	err = take_header(r);
	r->line_bytes = 0;
	return err ? err : (long)part;
}

long reply_feed(struct reply *r, const char *data, size_t bytes, int *ret_done)
{
	size_t used = 0, part;
	long taken;

	*ret_done = 0;
	if (!r->busy) {
		r->busy = 1;
		r->pending = 1;
	}
	while (r->pending || r->skip) {
		if (used == bytes)
			return (long)used;
		if (r->skip) {
			part = bytes - used < r->skip ? bytes - used : r->skip;
			r->skip -= part;
			used += part;
			continue;
		}
		taken = feed_header(r, data + used, bytes - used);
		if (taken < 0)
			return taken;
		used += (size_t)taken;
		if (!r->line_bytes)
			r->pending--;
	}
	r->busy = 0;
	*ret_done = 1;
	return (long)used;
}
