/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of the Key Broker Service protocol 0.4.0 (docs/keys.md), both
 * ways. What arrives is JSON of a known shape: another member, another type
 * or one that comes twice is refused.
 */
#ifndef KEYS_MESSAGE_H
#define KEYS_MESSAGE_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include "teekey.h"

enum {
	NONCE_MAX = 128,		/* characters */
	REPORT_DATA_BYTES = 64,
	MESSAGE_MAX = 128 << 10,	/* what the broker takes */
	DETAIL_MAX = 160,
};

/* The ephemeral public key of a JWE's protected header, base64url. */
struct epk {
	char x[64], y[64];
};

/* Each writes a string of at most @room bytes and returns its length or -EBADMSG. */
long message_request(char *dst, size_t room, const char *tee);
long message_attestation(char *dst, size_t room, const char *nonce, const char *jwk,
			 const char *evidence);

/* SHA-384 over nonce and key in canonical JSON, and zeros. */
int message_report_data(const char *nonce, const char *jwk, uint8_t data[REPORT_DATA_BYTES]);

/* What the broker answers; each returns 0 or -EBADMSG. */
int message_challenge(const char *body, size_t length, char nonce[NONCE_MAX + 1]);
int message_token(const char *body, size_t length);
int message_protected(const char *header, size_t length, struct epk *ret);

/* The secret in a resource's body; as teekey_decrypt(). */
long message_resource(const char *body, size_t length, const struct teekey *key, uint8_t *secret);

/* What an error body says for humans; empty where it isn't one. */
void message_detail(const char *body, size_t length, char detail[DETAIL_MAX + 1]);

#endif /* KEYS_MESSAGE_H */
