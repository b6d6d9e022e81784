// SPDX-License-Identifier: Apache-2.0
#include "parse.h"

#include "answer.h"
#include "evidence.h"
#include "message.h"
#include "plan.h"

static long parse_answer(const char *text, size_t length)
{
	struct answer answer;
	long head = answer_head(text, length);

	if (head > 0)
		head = answer_length(text, head);
	return head < 0 ? head : answer_parse(&answer, text, length);
}

static long parse_evidence(const uint8_t *bytes, size_t length)
{
	static const uint8_t report_data[REPORT_DATA_BYTES];
	static char json[MESSAGE_MAX];
	struct evidence evidence;
	int err = evidence_parse(&evidence, bytes, length);

	return err ? err : evidence_json(json, sizeof(json), &evidence, report_data);
}

long parse(char kind, const uint8_t *bytes, size_t length, const struct teekey *key)
{
	const char *text = (const char *)bytes;
	static struct plan plan;
	uint8_t secret[SECRET_BYTES_MAX];
	char nonce[NONCE_MAX + 1], detail[DETAIL_MAX + 1];

	switch (kind) {
	case 'A':
		return parse_answer(text, length);
	case 'C':
		return message_challenge(text, length, nonce);
	case 'T':
		return message_token(text, length);
	case 'R':
		return message_resource(text, length, key, secret);
	case 'E':
		return parse_evidence(bytes, length);
	case 'P':
		return plan_parse(&plan, text, length);
	default:
		message_detail(text, length, detail);
		return 0;
	}
}
