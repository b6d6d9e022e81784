/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP answer (RFC 9112) to a request of version 1.0: a status line, few
 * header lines, and a body whose length is said once. Nothing else is taken.
 */
#ifndef KEYS_ANSWER_H
#define KEYS_ANSWER_H

#include <stddef.h>

enum {
	ANSWER_HEAD_MAX = 8 << 10,
	ANSWER_BODY_MAX = 64 << 10,
	ANSWER_MAX = ANSWER_HEAD_MAX + ANSWER_BODY_MAX,
	ANSWER_LINES_MAX = 64,
	COOKIE_MAX = 160,
};

struct answer {
	int status;
	char cookie[COOKIE_MAX + 1];	/* kbs-session-id's value as it was sent; empty: none */
	const char *body;		/* in the bytes that were parsed */
	size_t body_bytes;
};

/* Bytes of the head, 0 while its end isn't among the first @length, or -EBADMSG. */
long answer_head(const char *raw, size_t length);

/* Bytes of the whole answer with this complete head, or -EBADMSG. */
long answer_length(const char *raw, size_t head_bytes);

/* Parse a whole answer; 0, or -EBADMSG. */
int answer_parse(struct answer *ret, const char *raw, size_t length);

#endif /* KEYS_ANSWER_H */
