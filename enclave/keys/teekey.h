/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The enclave's key pair for one session, on P-256: its public half is bound
 * into the evidence, and secrets arrive encrypted to it (JWE, RFC 7516, with
 * ECDH-ES+A256KW and A256GCM).
 */
#ifndef KEYS_TEEKEY_H
#define KEYS_TEEKEY_H

#include <stddef.h>
#include <stdint.h>

enum {
	TEEKEY_JWK_MAX = 256,		/* with its terminator */
	SECRET_BYTES_MAX = 128,		/* what PID 1 takes of one key */
	JWE_FIELD_MAX = 8192,		/* characters of one member */
};

struct teekey;

/* Both return -EBADMSG with a reason on failure. */
int teekey_create(struct teekey **ret);
/* The public key in its canonical JSON (RFC 8785), as the report data has it. */
int teekey_jwk(const struct teekey *key, char jwk[TEEKEY_JWK_MAX]);
void teekey_destroy(struct teekey *key);

/* The members of a JWE in flattened form, as text. */
struct jwe {
	const char *protected, *encrypted_key, *iv, *ciphertext, *tag;
};

/*
 * Decrypt into @secret, which has room for SECRET_BYTES_MAX. Returns the
 * number of bytes or -EBADMSG; @secret holds nothing then.
 */
long teekey_decrypt(const struct teekey *key, const struct jwe *jwe, uint8_t *secret);

#endif /* KEYS_TEEKEY_H */
