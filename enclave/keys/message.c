// SPDX-License-Identifier: Apache-2.0
/* Writes and reads the broker's JSON: strict on what arrives, canonical in what is hashed. */
#include "message.h"

#include "base64.h"
#include "refusal.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { NONCE_BYTES_MIN = 16, NONCE_BYTES_MAX = 64 };

__attribute__((format(printf, 3, 4)))
static long compose(char *dst, size_t room, const char *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(dst, room, format, args);
	va_end(args);
	if (length < 0 || (size_t)length >= room)
		return refuse("a message to the key broker would be too long");
	return length;
}

long message_request(char *dst, size_t room, const char *tee)
{
	return compose(dst, room, "{\"version\":\"0.4.0\",\"tee\":\"%s\","
		       "\"extra-params\":{\"supported-hash-algorithms\":[\"sha384\"]}}", tee);
}

long message_attestation(char *dst, size_t room, const char *nonce, const char *jwk,
			 const char *evidence)
{
	return compose(dst, room, "{\"runtime-data\":{\"nonce\":\"%s\",\"tee-pubkey\":%s},"
		       "\"tee-evidence\":{\"primary_evidence\":%s,\"additional_evidence\":\"\"}}",
		       nonce, jwk, evidence);
}

int message_report_data(const char *nonce, const char *jwk, uint8_t data[REPORT_DATA_BYTES])
{
	char text[NONCE_MAX + TEEKEY_JWK_MAX + 80];
	long length;

	length = compose(text, sizeof(text),
			 "{\"additional-evidence\":\"\",\"nonce\":\"%s\",\"tee-pubkey\":%s}", nonce, jwk);
	if (length < 0)
		return length;
	memset(data, 0, REPORT_DATA_BYTES);
	if (!EVP_Digest(text, length, data, NULL, EVP_sha384(), NULL))
		return refuse("cannot hash the report data");
	return 0;
}

/* An object with the members of @names, which ends in NULL, and no others but @optional. */
static json_t *parse_object(const char *what, const char *body, size_t length,
			    const char *const *names, const char *optional)
{
	json_t *object = json_loadb(body, length, JSON_REJECT_DUPLICATES, NULL);
	size_t known = 0;

	if (!json_is_object(object)) {
		refuse("the key broker's %s is not a JSON object", what);
		goto bad;
	}
	for (; *names; names++, known++)
		if (!json_object_get(object, *names)) {
			refuse("the key broker's %s has no '%s'", what, *names);
			goto bad;
		}
	if (optional && json_object_get(object, optional))
		known++;
	if (json_object_size(object) != known) {
		refuse("the key broker's %s has a member that is not in the protocol", what);
		goto bad;
	}
	return object;
bad:
	json_decref(object);
	return NULL;
}

/* A string of 1 to @max bytes, or NULL with a reason. */
static const char *text_of(const char *what, const json_t *object, const char *name, size_t max)
{
	const json_t *value = json_object_get(object, name);
	size_t length = json_string_length(value);

	if (json_is_string(value) && length && length <= max)
		return json_string_value(value);
	refuse("the key broker's %s has a '%s' of a wrong type or length", what, name);
	return NULL;
}

/* Trustee names the hash in it; others leave it empty. */
static bool params_are_good(const json_t *params)
{
	const char *hash = json_string_value(json_object_get(params, "selected-hash-algorithm"));

	if (json_is_string(params))
		return !json_string_length(params);
	return json_is_object(params) && json_object_size(params) <= 1 &&
	       (!json_object_size(params) || (hash && !strcmp(hash, "sha384")));
}

int message_challenge(const char *body, size_t length, char nonce[NONCE_MAX + 1])
{
	static const char *const names[] = { "nonce", "extra-params", NULL };
	json_t *object = parse_object("challenge", body, length, names, NULL);
	uint8_t bytes[NONCE_BYTES_MAX];
	const char *text;
	int err = -EBADMSG;

	if (!object)
		return err;
	text = text_of("challenge", object, "nonce", NONCE_MAX);
	if (!text)
		goto out;
	/* Being base64, it needs no escapes in what is hashed. */
	if (base64_decode(bytes, sizeof(bytes), text, strlen(text), BASE64) < NONCE_BYTES_MIN) {
		refuse("the key broker's nonce is not 16 to 64 bytes in base64");
		goto out;
	}
	if (!params_are_good(json_object_get(object, "extra-params"))) {
		refuse("the key broker's challenge asks for another hash than SHA-384");
		goto out;
	}
	strcpy(nonce, text);
	err = 0;
out:
	json_decref(object);
	return err;
}

int message_token(const char *body, size_t length)
{
	static const char *const names[] = { "token", NULL };
	json_t *object = parse_object("token", body, length, names, NULL);
	int err = -EBADMSG;

	/* Resources are released to the session's cookie: nobody here needs the token. */
	if (object && text_of("token", object, "token", length))
		err = 0;
	json_decref(object);
	return err;
}

static int parse_epk(const json_t *epk, struct epk *ret)
{
	const char *kty = json_string_value(json_object_get(epk, "kty"));
	const char *crv = json_string_value(json_object_get(epk, "crv"));
	const char *x, *y;

	if (!json_is_object(epk) || json_object_size(epk) != 4 || !kty || strcmp(kty, "EC") ||
	    !crv || strcmp(crv, "P-256"))
		return refuse("the secret's ephemeral key is not one on P-256");
	x = text_of("ephemeral key", epk, "x", sizeof(ret->x) - 1);
	y = text_of("ephemeral key", epk, "y", sizeof(ret->y) - 1);
	if (!x || !y)
		return -EBADMSG;
	strcpy(ret->x, x);
	strcpy(ret->y, y);
	return 0;
}

int message_protected(const char *header, size_t length, struct epk *ret)
{
	static const char *const names[] = { "alg", "enc", "epk", NULL };
	json_t *object = parse_object("header of a secret", header, length, names, NULL);
	const char *alg, *enc;
	int err = -EBADMSG;

	if (!object)
		return err;
	alg = json_string_value(json_object_get(object, "alg"));
	enc = json_string_value(json_object_get(object, "enc"));
	if (!alg || strcmp(alg, "ECDH-ES+A256KW") || !enc || strcmp(enc, "A256GCM"))
		refuse("the secret is not encrypted by ECDH-ES+A256KW and A256GCM");
	else
		err = parse_epk(json_object_get(object, "epk"), ret);
	json_decref(object);
	return err;
}

/* Older Trustees repeat the header, or send an empty one. */
static bool aad_is_good(const json_t *aad, const char *protected)
{
	const char *text = json_string_value(aad);

	return !aad || json_is_null(aad) || (text && (!*text || !strcmp(text, protected)));
}

long message_resource(const char *body, size_t length, const struct teekey *key, uint8_t *secret)
{
	static const char *const names[] = { "protected", "encrypted_key", "iv", "ciphertext", "tag",
					     NULL };
	json_t *object = parse_object("secret", body, length, names, "aad");
	struct jwe jwe;
	long bytes = -EBADMSG;

	if (!object)
		return bytes;
	jwe.protected = text_of("secret", object, "protected", JWE_FIELD_MAX);
	jwe.encrypted_key = text_of("secret", object, "encrypted_key", JWE_FIELD_MAX);
	jwe.iv = text_of("secret", object, "iv", JWE_FIELD_MAX);
	jwe.ciphertext = text_of("secret", object, "ciphertext", JWE_FIELD_MAX);
	jwe.tag = text_of("secret", object, "tag", JWE_FIELD_MAX);
	if (jwe.protected && jwe.encrypted_key && jwe.iv && jwe.ciphertext && jwe.tag) {
		if (aad_is_good(json_object_get(object, "aad"), jwe.protected))
			bytes = teekey_decrypt(key, &jwe, secret);
		else
			refuse("the secret has additional data of its own");
	}
	json_decref(object);
	return bytes;
}

void message_detail(const char *body, size_t length, char detail[DETAIL_MAX + 1])
{
	json_t *object = json_loadb(body, length, JSON_REJECT_DUPLICATES, NULL);
	const char *text = json_string_value(json_object_get(object, "detail"));

	snprintf(detail, DETAIL_MAX + 1, "%s", text ? text : "");
	json_decref(object);
}
