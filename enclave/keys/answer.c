// SPDX-License-Identifier: Apache-2.0
/* Reads an HTTP answer in full and strictly: every byte of it comes from the network. */
#include "answer.h"
#include "refusal.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define COOKIE_NAME "kbs-session-id="

struct line {
	const char *text;
	size_t length;
};

/* What the head says of itself. */
struct head {
	int status;
	bool has_length;
	size_t body_bytes;
	char cookie[COOKIE_MAX + 1];
};

long answer_head(const char *raw, size_t length)
{
	const char *end = memmem(raw, length < ANSWER_HEAD_MAX ? length : ANSWER_HEAD_MAX,
				 "\r\n\r\n", 4);

	if (end)
		return end + 4 - raw;
	return length < ANSWER_HEAD_MAX ? 0 : refuse("the key broker's answer has a head above 8 KiB");
}

/* @text holds only whole lines. */
static struct line next_line(const char **text, const char *end)
{
	const char *stop = memmem(*text, end - *text, "\r\n", 2);
	struct line line = { *text, stop - *text };

	*text = stop + 2;
	return line;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int parse_status(struct head *head, struct line line)
{
	const char *at = line.text;

	if (line.length < 12 || memcmp(at, "HTTP/1.", 7) || !is_digit(at[7]) || at[8] != ' ' ||
	    at[9] < '1' || at[9] > '5' || !is_digit(at[10]) || !is_digit(at[11]) ||
	    (line.length > 12 && at[12] != ' '))
		return refuse("the key broker's answer is not HTTP/1");
	head->status = (at[9] - '0') * 100 + (at[10] - '0') * 10 + at[11] - '0';
	return 0;
}

static int parse_length(struct head *head, struct line value)
{
	size_t bytes = 0;

	if (head->has_length || !value.length || value.length > 6)
		return refuse("the key broker's answer has no good Content-Length");
	for (size_t i = 0; i < value.length; i++) {
		if (!is_digit(value.text[i]))
			return refuse("the key broker's answer has no good Content-Length");
		bytes = bytes * 10 + value.text[i] - '0';
	}
	if (bytes > ANSWER_BODY_MAX)
		return refuse("the key broker's answer has a body above 64 KiB");
	head->has_length = true;
	head->body_bytes = bytes;
	return 0;
}

/* The value goes back as it is: nothing in it may end the header line of a request. */
static int parse_cookie(struct head *head, struct line value)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789!#$%&'*+-.^_`|~/=\"";
	size_t length;

	if (value.length < strlen(COOKIE_NAME) ||
	    memcmp(value.text, COOKIE_NAME, strlen(COOKIE_NAME)))
		return 0;
	value.text += strlen(COOKIE_NAME);
	value.length -= strlen(COOKIE_NAME);
	for (length = 0; length < value.length && value.text[length] != ';'; length++)
		if (!value.text[length] || !strchr(allowed, value.text[length]))
			return refuse("the key broker's session cookie has a character that no cookie has");
	if (!length || length > COOKIE_MAX || head->cookie[0])
		return refuse("the key broker's session cookie is empty, too long, or given twice");
	memcpy(head->cookie, value.text, length);
	head->cookie[length] = '\0';
	return 0;
}

static bool is_named(struct line line, size_t colon, const char *name)
{
	return colon == strlen(name) && !strncasecmp(line.text, name, colon);
}

static int parse_header(struct head *head, struct line line)
{
	const char *colon = memchr(line.text, ':', line.length);
	size_t name = colon ? colon - line.text : 0;
	struct line value;

	if (!name || memchr(line.text, ' ', name) || memchr(line.text, '\t', name) ||
	    memchr(line.text, '\0', line.length))
		return refuse("the key broker's answer has a malformed header line");
	value = (struct line){ colon + 1, line.length - name - 1 };
	while (value.length && (*value.text == ' ' || *value.text == '\t')) {
		value.text++;
		value.length--;
	}
	if (is_named(line, name, "content-length"))
		return parse_length(head, value);
	if (is_named(line, name, "set-cookie"))
		return parse_cookie(head, value);
	if (is_named(line, name, "transfer-encoding") || is_named(line, name, "content-encoding"))
		return refuse("the key broker's answer is encoded in a way that wasn't asked for");
	return 0;
}

static int parse_head(struct head *head, const char *raw, size_t bytes)
{
	const char *at = raw, *end = raw + bytes - 2;
	int lines, err;

	memset(head, 0, sizeof(*head));
	err = parse_status(head, next_line(&at, end));
	for (lines = 0; !err && at < end; lines++) {
		if (lines == ANSWER_LINES_MAX)
			return refuse("the key broker's answer has more than 64 header lines");
		err = parse_header(head, next_line(&at, end));
	}
	if (!err && !head->has_length)
		return refuse("the key broker's answer does not say its length");
	return err;
}

long answer_length(const char *raw, size_t head_bytes)
{
	struct head head;
	int err = parse_head(&head, raw, head_bytes);

	return err ? err : (long)(head_bytes + head.body_bytes);
}

int answer_parse(struct answer *ret, const char *raw, size_t length)
{
	long head_bytes = answer_head(raw, length);
	struct head head;
	int err;

	if (head_bytes <= 0)
		return refuse("the key broker's answer ends in its head");
	err = parse_head(&head, raw, head_bytes);
	if (err)
		return err;
	if (length - head_bytes != head.body_bytes)
		return refuse("the key broker's answer is not as long as it says");
	*ret = (struct answer){ .status = head.status, .body = raw + head_bytes,
				.body_bytes = head.body_bytes };
	memcpy(ret->cookie, head.cookie, sizeof(ret->cookie));
	return 0;
}
