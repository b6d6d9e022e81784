/* SPDX-License-Identifier: Apache-2.0 */
/* One session with the broker: challenge, evidence, secrets. */
#ifndef KEYS_SESSION_H
#define KEYS_SESSION_H

#include "broker.h"
#include "teekey.h"

struct session {
	struct broker broker;
	struct teekey *key;
	char cookie[COOKIE_MAX + 1];
	char request[(128 << 10) + 1024];
};

/* Attest with what @device says; 0, or -EBADMSG. */
int session_attest(struct session *session, int device);

/* Whether @path is REPOSITORY/TYPE/TAG. */
int session_check_path(const char *path);

/* Get the secret at @path; its bytes, or -EBADMSG. @secret has SECRET_BYTES_MAX. */
long session_secret(struct session *session, const char *path, uint8_t *secret);

#endif /* KEYS_SESSION_H */
