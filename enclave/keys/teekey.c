// SPDX-License-Identifier: Apache-2.0
/* The session's key pair, and what is encrypted to it: RFC 7516, 7518 (4.6), 3394. */
#include "teekey.h"

#include "base64.h"
#include "message.h"
#include "refusal.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	COORDINATE_BYTES = 32,
	POINT_BYTES = 1 + 2 * COORDINATE_BYTES,
	KEY_BYTES = 32,
	WRAPPED_BYTES = KEY_BYTES + 8,
	IV_BYTES = 12,
	TAG_BYTES = 16,
	UNCOMPRESSED = 4,
};

struct teekey {
	EVP_PKEY *pair;
};

int teekey_create(struct teekey **ret)
{
	struct teekey *key = calloc(1, sizeof(*key));

	if (key)
		key->pair = EVP_EC_gen("P-256");
	if (!key || !key->pair) {
		free(key);
		return refuse("cannot make a key pair");
	}
	*ret = key;
	return 0;
}

void teekey_destroy(struct teekey *key)
{
	if (!key)
		return;
	EVP_PKEY_free(key->pair);	/* wipes its private half */
	free(key);
}

int teekey_jwk(const struct teekey *key, char jwk[TEEKEY_JWK_MAX])
{
	char x[64], y[64];
	uint8_t point[POINT_BYTES];
	size_t bytes = 0;

	if (!EVP_PKEY_get_octet_string_param(key->pair, OSSL_PKEY_PARAM_PUB_KEY, point,
					     sizeof(point), &bytes) ||
	    bytes != sizeof(point) || point[0] != UNCOMPRESSED)
		return refuse("cannot export the public key");
	base64_encode(x, point + 1, COORDINATE_BYTES, BASE64URL);
	base64_encode(y, point + 1 + COORDINATE_BYTES, COORDINATE_BYTES, BASE64URL);
	snprintf(jwk, TEEKEY_JWK_MAX,
		 "{\"alg\":\"ECDH-ES+A256KW\",\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", x, y);
	return 0;
}

/* OpenSSL refuses a point that is not on the curve. */
static EVP_PKEY *public_key(const uint8_t point[POINT_BYTES])
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)point, POINT_BYTES),
		OSSL_PARAM_construct_end(),
	};
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *key = NULL;

	if (!context || EVP_PKEY_fromdata_init(context) <= 0 ||
	    EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) <= 0)
		key = NULL;
	EVP_PKEY_CTX_free(context);
	return key;
}

/* ECDH, then the Concat KDF of RFC 7518, 4.6.2, whose one round is one hash. */
static int agree(const struct teekey *key, EVP_PKEY *ephemeral, uint8_t wrapping[KEY_BYTES])
{
	static const uint8_t info[] = "\0\0\0\x0e" "ECDH-ES+A256KW" "\0\0\0\0" "\0\0\0\0" "\0\0\1";
	uint8_t input[4 + KEY_BYTES + sizeof(info)] = { 0, 0, 0, 1 };
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key->pair, NULL);
	size_t bytes = KEY_BYTES;
	int good;

	good = context && EVP_PKEY_derive_init(context) > 0 &&
	       EVP_PKEY_derive_set_peer(context, ephemeral) > 0 &&
	       EVP_PKEY_derive(context, input + 4, &bytes) > 0 && bytes == KEY_BYTES;
	memcpy(input + 4 + KEY_BYTES, info, sizeof(info));
	good = good && EVP_Digest(input, sizeof(input), wrapping, NULL, EVP_sha256(), NULL);
	EVP_PKEY_CTX_free(context);
	OPENSSL_cleanse(input, sizeof(input));
	return good ? 0 : refuse("cannot agree on a key with the key broker");
}

static int unwrap(const uint8_t wrapping[KEY_BYTES], const uint8_t wrapped[WRAPPED_BYTES],
		  uint8_t content[KEY_BYTES])
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	uint8_t room[WRAPPED_BYTES + 16];
	int bytes = 0, good;

	if (context)
		EVP_CIPHER_CTX_set_flags(context, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	good = context && EVP_DecryptInit_ex(context, EVP_aes_256_wrap(), NULL, wrapping, NULL) &&
	       EVP_DecryptUpdate(context, room, &bytes, wrapped, WRAPPED_BYTES) &&
	       bytes == KEY_BYTES;
	if (good)
		memcpy(content, room, KEY_BYTES);
	EVP_CIPHER_CTX_free(context);
	OPENSSL_cleanse(room, sizeof(room));
	return good ? 0 : refuse("the secret is not encrypted to this enclave's key");
}

/* The bytes of one member; a length that is known is checked. */
static long member(const char *name, const char *text, uint8_t *dst, size_t room, size_t expected)
{
	long bytes = strlen(text) > JWE_FIELD_MAX ? -1 :
		     base64_decode(dst, room, text, strlen(text), BASE64URL);

	if (bytes < 0 || (expected && (size_t)bytes != expected))
		return refuse("the secret's member '%s' is malformed or too long", name);
	return bytes;
}

static int content_key(const struct teekey *key, const struct jwe *jwe, uint8_t content[KEY_BYTES])
{
	uint8_t header[1024], wrapped[WRAPPED_BYTES], wrapping[KEY_BYTES], point[POINT_BYTES];
	struct epk epk;
	EVP_PKEY *ephemeral;
	long bytes;
	int err;

	bytes = member("protected", jwe->protected, header, sizeof(header), 0);
	if (bytes < 0 || member("encrypted_key", jwe->encrypted_key, wrapped, sizeof(wrapped),
				sizeof(wrapped)) < 0)
		return -EBADMSG;
	err = message_protected((const char *)header, bytes, &epk);
	if (err)
		return err;
	point[0] = UNCOMPRESSED;
	if (member("epk.x", epk.x, point + 1, COORDINATE_BYTES, COORDINATE_BYTES) < 0 ||
	    member("epk.y", epk.y, point + 1 + COORDINATE_BYTES, COORDINATE_BYTES, COORDINATE_BYTES) < 0)
		return -EBADMSG;
	ephemeral = public_key(point);
	if (!ephemeral)
		return refuse("the secret's ephemeral key is not on its curve");
	err = agree(key, ephemeral, wrapping);
	EVP_PKEY_free(ephemeral);
	if (!err)
		err = unwrap(wrapping, wrapped, content);
	OPENSSL_cleanse(wrapping, sizeof(wrapping));
	return err;
}

static int open_sealed(const uint8_t content[KEY_BYTES], const struct jwe *jwe, const uint8_t *sealed,
		       long bytes, uint8_t *secret)
{
	EVP_CIPHER_CTX *context;
	uint8_t iv[IV_BYTES], tag[TAG_BYTES];
	int length = 0, rest = 0, good;

	if (member("iv", jwe->iv, iv, sizeof(iv), sizeof(iv)) < 0 ||
	    member("tag", jwe->tag, tag, sizeof(tag), sizeof(tag)) < 0)
		return -EBADMSG;
	context = EVP_CIPHER_CTX_new();
	good = context && EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), NULL, content, iv) &&
	       EVP_DecryptUpdate(context, NULL, &length, (const uint8_t *)jwe->protected,
				 strlen(jwe->protected)) &&
	       EVP_DecryptUpdate(context, secret, &length, sealed, bytes) && length == bytes &&
	       EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) &&
	       EVP_DecryptFinal_ex(context, secret + length, &rest) > 0;
	EVP_CIPHER_CTX_free(context);
	return good ? 0 : refuse("the secret fails its authentication");
}

long teekey_decrypt(const struct teekey *key, const struct jwe *jwe, uint8_t *secret)
{
	uint8_t content[KEY_BYTES], sealed[SECRET_BYTES_MAX];
	long bytes = member("ciphertext", jwe->ciphertext, sealed, sizeof(sealed), 0);
	int err;

	if (bytes < 0)
		return bytes;
	if (!bytes)
		return refuse("the secret is empty");
	err = content_key(key, jwe, content);
	if (!err)
		err = open_sealed(content, jwe, sealed, bytes, secret);
	OPENSSL_cleanse(content, sizeof(content));
	if (err)
		OPENSSL_cleanse(secret, SECRET_BYTES_MAX);
	return err ? err : bytes;
}
