// SPDX-License-Identifier: GPL-2.0-only
/* A strict reader of one spelling of JSON; may be given any bytes. */
#include "init.h"
#include "init_json.h"

enum { DEPTH_MAX = 8, DIGITS_MAX = 19 };

/* ---- Checking: every read is bounded by @end ---- */

struct cursor {
	const char *at;
	const char *end;
};

static bool check_value(struct cursor *c, unsigned int depth);

static bool accept(struct cursor *c, char wanted)
{
	if (c->at == c->end || *c->at != wanted)
		return false;
	c->at++;
	return true;
}

static int hex_digit(char ch)
{
	if (ch >= '0' && ch <= '9')
		return ch - '0';
	return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

/* Four digits, or -1. */
static long hex_unit(const char *s)
{
	long unit = 0;

	for (int i = 0; i < 4; i++) {
		int digit = hex_digit(s[i]);

		if (digit < 0)
			return -1;
		unit = unit << 4 | digit;
	}
	return unit;
}

static bool short_escape(char ch)
{
	return ch == '"' || ch == '\\' || ch == 'b' || ch == 'f' ||
	       ch == 'n' || ch == 'r' || ch == 't';
}

/* Only what has no other spelling is written by number; NUL is nowhere. */
static bool needs_number(long unit)
{
	if (unit == 0x08 || unit == 0x09 || unit == 0x0a || unit == 0x0c || unit == 0x0d)
		return false;
	return (unit > 0 && unit < 0x20) || unit >= 0x7f;
}

static bool check_unicode(struct cursor *c)
{
	long unit;

	if (c->end - c->at < 4)
		return false;
	unit = hex_unit(c->at);
	if (!needs_number(unit) || (unit >= 0xdc00 && unit < 0xe000))
		return false;
	c->at += 4;
	if (unit < 0xd800 || unit >= 0xe000)
		return true;
	if (c->end - c->at < 6 || c->at[0] != '\\' || c->at[1] != 'u')
		return false;
	unit = hex_unit(c->at + 2);
	c->at += 6;
	return unit >= 0xdc00 && unit < 0xe000;
}

static bool check_string(struct cursor *c)
{
	if (!accept(c, '"'))
		return false;
	while (c->at < c->end) {
		char ch = *c->at++;

		if (ch == '"')
			return true;
		if (ch < ' ' || ch > '~')
			return false;
		if (ch != '\\')
			continue;
		if (c->at == c->end)
			return false;
		ch = *c->at++;
		if (ch == 'u' ? !check_unicode(c) : !short_escape(ch))
			return false;
	}
	return false;
}

static bool check_number(struct cursor *c)
{
	const char *start;

	if (accept(c, '-') && (c->at == c->end || *c->at == '0'))
		return false;
	start = c->at;
	while (c->at < c->end && *c->at >= '0' && *c->at <= '9')
		c->at++;
	if (c->at - start > DIGITS_MAX || c->at == start)
		return false;
	return *start != '0' || c->at - start == 1;
}

static bool check_word(struct cursor *c, const char *word)
{
	while (*word)
		if (!accept(c, *word++))
			return false;
	return true;
}

/* Both are checked strings; escapes sort as they are spelt, which no key has. */
static bool sorted(const char *before, const char *after)
{
	while (*before == *after && *before != '"')
		before++, after++;
	if (*before == '"' || *after == '"')
		return *before == '"' && *after != '"';
	return *before < *after;
}

static bool check_members(struct cursor *c, unsigned int depth)
{
	const char *previous = NULL;

	if (accept(c, '}'))
		return true;
	do {
		const char *key = c->at;

		if (!check_string(c))
			return false;
		if (previous && !sorted(previous + 1, key + 1))
			return false;
		previous = key;
		if (!accept(c, ':') || !check_value(c, depth))
			return false;
	} while (accept(c, ','));
	return accept(c, '}');
}

static bool check_items(struct cursor *c, unsigned int depth)
{
	if (accept(c, ']'))
		return true;
	do {
		if (!check_value(c, depth))
			return false;
	} while (accept(c, ','));
	return accept(c, ']');
}

static bool check_value(struct cursor *c, unsigned int depth)
{
	if (c->at == c->end)
		return false;
	switch (*c->at) {
	case '{':
		c->at++;
		return depth < DEPTH_MAX && check_members(c, depth + 1);
	case '[':
		c->at++;
		return depth < DEPTH_MAX && check_items(c, depth + 1);
	case '"':
		return check_string(c);
	case 't':
		return check_word(c, "true");
	case 'f':
		return check_word(c, "false");
	case 'n':
		return check_word(c, "null");
	default:
		return check_number(c);
	}
}

size_t json_check(const char *text, size_t len)
{
	struct cursor c = { text, text + len };

	if (!len || *text != '{' || !check_value(&c, 0))
		return 0;
	return c.at - text;
}

/* ---- Walking checked text ---- */

static const char *skip_string(const char *s)
{
	for (s++; *s != '"'; s++)
		if (*s == '\\')
			s++;
	return s + 1;
}

static const char *skip_value(const char *s)
{
	unsigned int depth = 0;

	if (*s == '"')
		return skip_string(s);
	if (*s != '{' && *s != '[') {
		while (*s != ',' && *s != '}' && *s != ']')
			s++;
		return s;
	}
	do {
		if (*s == '"') {
			s = skip_string(s);
			continue;
		}
		if (*s == '{' || *s == '[')
			depth++;
		else if (*s == '}' || *s == ']')
			depth--;
		s++;
	} while (depth);
	return s;
}

const char *json_first(const char *container)
{
	if (!container || (*container != '{' && *container != '['))
		return NULL;
	container++;
	return *container == '}' || *container == ']' ? NULL : container;
}

const char *json_value(const char *key)
{
	return skip_string(key) + 1;
}

const char *json_next(const char *item)
{
	item = skip_value(item);
	if (*item == ':')
		item = skip_value(item + 1);
	return *item == ',' ? item + 1 : NULL;
}

size_t json_count(const char *container)
{
	size_t count = 0;

	for (const char *i = json_first(container); i; i = json_next(i))
		count++;
	return count;
}

const char *json_get(const char *object, const char *key)
{
	if (!object || *object != '{')
		return NULL;
	for (const char *i = json_first(object); i; i = json_next(i))
		if (json_is(i, key))
			return json_value(i);
	return NULL;
}

bool json_is(const char *value, const char *text)
{
	const char *rest;

	if (!value || *value != '"')
		return false;
	rest = text_after(value + 1, text);
	return rest && *rest == '"';
}

/* @point in UTF-8 (RFC 3629); returns how many bytes. */
static size_t put_utf8(unsigned long point, char ret[4])
{
	if (point < 0x80) {
		ret[0] = point;
		return 1;
	}
	if (point < 0x800) {
		ret[0] = 0xc0 | point >> 6;
		ret[1] = 0x80 | (point & 0x3f);
		return 2;
	}
	if (point < 0x10000) {
		ret[0] = 0xe0 | point >> 12;
		ret[1] = 0x80 | (point >> 6 & 0x3f);
		ret[2] = 0x80 | (point & 0x3f);
		return 3;
	}
	ret[0] = 0xf0 | point >> 18;
	ret[1] = 0x80 | (point >> 12 & 0x3f);
	ret[2] = 0x80 | (point >> 6 & 0x3f);
	ret[3] = 0x80 | (point & 0x3f);
	return 4;
}

static unsigned long unescape(const char **s)
{
	unsigned long point;

	switch (*(*s)++) {
	case 'b': return '\b';
	case 'f': return '\f';
	case 'n': return '\n';
	case 'r': return '\r';
	case 't': return '\t';
	case '"': return '"';
	case '\\': return '\\';
	}
	point = hex_unit(*s);
	*s += 4;
	if (point < 0xd800 || point >= 0xe000)
		return point;
	point = 0x10000 + ((point - 0xd800) << 10) + (hex_unit(*s + 2) - 0xdc00);
	*s += 6;
	return point;
}

bool json_text(const char *value, char *ret, size_t size)
{
	size_t used = 0, more;
	char bytes[4];

	if (!value || *value != '"')
		return false;
	for (value++; *value != '"';) {
		if (*value == '\\') {
			value++;
			more = put_utf8(unescape(&value), bytes);
		} else {
			bytes[0] = *value++;
			more = 1;
		}
		if (more >= size - used)
			return false;
		memcpy(ret + used, bytes, more);
		used += more;
	}
	if (used >= size)
		return false;
	ret[used] = '\0';
	return true;
}

long json_number(const char *value)
{
	long n = 0;
	int digits = 0;

	if (!value)
		return -1;
	if (*value == '"')
		value++;
	for (; *value >= '0' && *value <= '9'; value++, digits++)
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, *value - '0', &n))
			return -1;
	if (!digits || (*value != '"' && *value != ',' && *value != '}' && *value != ']'))
		return -1;
	return n;
}

int json_bool(const char *value)
{
	if (value && text_after(value, "true"))
		return 1;
	return value && text_after(value, "false") ? 0 : -1;
}

/* ---- base64 (RFC 4648, 4) ---- */

static int sextet(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

long base64_decode(const char *text, size_t len, unsigned char *ret, size_t size)
{
	unsigned int bits = 0, have = 0;
	size_t used = 0, padding = 0;

	if (len % 4)
		return -1;
	while (len && padding < 2 && text[len - 1] == '=')
		len--, padding++;
	for (size_t i = 0; i < len; i++) {
		int six = sextet(text[i]);

		if (six < 0)
			return -1;
		bits = bits << 6 | six;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		if (used == size)
			return -1;
		ret[used++] = bits >> have;
		bits &= (1u << have) - 1;
	}
	return bits ? -1 : (long)used;
}
