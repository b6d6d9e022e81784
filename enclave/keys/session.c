// SPDX-License-Identifier: Apache-2.0
/* The RCAR handshake: request, challenge, attestation, response; then resources. */
#include "session.h"

#include "evidence.h"
#include "given.h"
#include "../libos/overlay/include/uapi/linux/rktio_tee.h"
#include "message.h"
#include "refusal.h"

#include <stdio.h>
#include <string.h>

enum { PATH_PART_MAX = 64 };

static int refuse_status(const char *what, const struct answer *answer)
{
	char detail[DETAIL_MAX + 1];

	message_detail(answer->body, answer->body_bytes, detail);
	return refuse("the key broker refuses %s (status %d)%s%s", what, answer->status,
		      detail[0] ? ": " : "", detail);
}

static int ask(struct session *session, const char *what, const char *method, const char *path,
	       const char *body, struct answer *answer)
{
	int length = snprintf(session->request, sizeof(session->request),
			      "%s /kbs/v0/%s HTTP/1.0\r\nHost: %s\r\nAccept: application/json\r\n"
			      "Content-Type: application/json\r\nContent-Length: %zu\r\n"
			      "%s%s%s\r\n%s", method, path, session->broker.host, strlen(body),
			      session->cookie[0] ? "Cookie: kbs-session-id=" : "", session->cookie,
			      session->cookie[0] ? "\r\n" : "", body);
	int err;

	if (length < 0 || (size_t)length >= sizeof(session->request))
		return refuse("a message to the key broker would be too long");
	err = broker_exchange(&session->broker, session->request, length, answer);
	if (err)
		return err;
	if (answer->status != 200)
		return refuse_status(what, answer);
	if (answer->cookie[0])
		memcpy(session->cookie, answer->cookie, sizeof(session->cookie));
	return 0;
}

static int challenge(struct session *session, uint32_t tee, char nonce[NONCE_MAX + 1])
{
	struct answer answer;
	char body[256];
	int err;

	err = message_request(body, sizeof(body), evidence_tee(tee)) < 0 ? -EBADMSG : 0;
	if (!err)
		err = ask(session, "a session", "POST", "auth", body, &answer);
	if (!err && !session->cookie[0])
		err = refuse("the key broker's challenge comes without a session");
	return err ? err : message_challenge(answer.body, answer.body_bytes, nonce);
}

/* Nobody vouches for an ordinary process; it says itself what it is. */
static int claim(struct evidence *ret)
{
	static uint8_t measurement[MEASUREMENT_BYTES];

	*ret = (struct evidence){ .tee = RKTIO_TEE_PROCESS, .primary = measurement,
				  .primary_bytes = sizeof(measurement) };
	return given_measurement(measurement);
}

static int prove(int device, const uint8_t data[REPORT_DATA_BYTES], struct evidence *ret)
{
	static uint8_t raw[EVIDENCE_BYTES_MAX];
	long bytes = device_ask(device, data, raw);

	return bytes < 0 ? bytes : evidence_parse(ret, raw, bytes);
}

/* The evidence for nonce and key, in the protocol's words; 0, or -EBADMSG. */
static int collect(int device, uint32_t tee, const char *nonce, const char *jwk, char *json, size_t room)
{
	uint8_t data[REPORT_DATA_BYTES];
	struct evidence evidence;
	int err = message_report_data(nonce, jwk, data);

	if (!err)
		err = tee == RKTIO_TEE_PROCESS ? claim(&evidence) : prove(device, data, &evidence);
	if (!err && evidence.tee != tee)
		err = refuse("/dev/rktio-tee speaks for another TEE than before");
	if (!err && evidence_json(json, room, &evidence, data) < 0)
		err = -EBADMSG;
	return err;
}

int session_attest(struct session *session, int device)
{
	static char json[MESSAGE_MAX], body[MESSAGE_MAX];
	char nonce[NONCE_MAX + 1], jwk[TEEKEY_JWK_MAX];
	struct answer answer;
	uint32_t tee;
	int err;

	err = device_tee(device, &tee);
	if (!err)
		err = teekey_create(&session->key);
	if (!err)
		err = teekey_jwk(session->key, jwk);
	if (!err)
		err = challenge(session, tee, nonce);
	if (!err)
		err = collect(device, tee, nonce, jwk, json, sizeof(json));
	if (!err && message_attestation(body, sizeof(body), nonce, jwk, json) < 0)
		err = -EBADMSG;
	if (!err)
		err = ask(session, "the evidence", "POST", "attest", body, &answer);
	return err ? err : message_token(answer.body, answer.body_bytes);
}

int session_check_path(const char *path)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	const char *at = path;
	size_t length;
	int parts = 0;

	for (;; at++) {
		length = strspn(at, allowed);
		if (!length || length > PATH_PART_MAX || at[0] == '.')
			break;
		at += length;
		parts++;
		if (*at != '/')
			break;
	}
	return parts == 3 && !*at ? 0 :
		refuse("'%.80s' is not a key broker's REPOSITORY/TYPE/TAG", path);
}

long session_secret(struct session *session, const char *path, uint8_t *secret)
{
	char place[32 + 3 * (PATH_PART_MAX + 1)], what[3 * (PATH_PART_MAX + 1)];
	struct answer answer;
	int err = session_check_path(path);

	if (err)
		return err;
	snprintf(place, sizeof(place), "resource/%s", path);
	snprintf(what, sizeof(what), "%s", path);
	err = ask(session, what, "GET", place, "", &answer);
	return err ? err : message_resource(answer.body, answer.body_bytes, session->key, secret);
}
