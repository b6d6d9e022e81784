// SPDX-License-Identifier: GPL-2.0-only
/* Addresses in text form: IPv4 in dotted decimal, IPv6 of RFC 4291, 2.2. */
#include "init.h"

static bool parse_ipv4(const char *s, unsigned char bytes[4])
{
	for (int i = 0; i < 4; i++) {
		unsigned int n = 0, digits = 0;

		for (; *s >= '0' && *s <= '9'; s++, digits++)
			n = n * 10 + *s - '0';
		if (!digits || digits > 3 || n > 255)
			return false;
		bytes[i] = n;
		if (*s != (i < 3 ? '.' : '\0'))
			return false;
		s++;
	}
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One group of up to four digits; returns how many there were. */
static int parse_group(const char *s, unsigned int *ret)
{
	int digits = 0;

	for (*ret = 0; digits < 5 && hex_digit(s[digits]) >= 0; digits++)
		*ret = *ret << 4 | hex_digit(s[digits]);
	return digits;
}

/* Move what came after "::" at @gap to the end, zeros between. */
static bool close_gap(unsigned char *bytes, int used, int gap)
{
	int tail = used - gap;

	if (gap < 0)
		return used == 16;
	if (used > 14)
		return false;
	for (int i = 1; i <= tail; i++) {
		bytes[16 - i] = bytes[used - i];
		bytes[used - i] = 0;
	}
	return true;
}

static bool parse_ipv6(const char *s, unsigned char bytes[16])
{
	int used = 0, gap = -1;

	if (s[0] == ':' && s[1] != ':')
		return false;
	while (*s) {
		unsigned int group;
		int digits;

		if (s[0] == ':' && s[1] == ':') {
			if (gap >= 0)
				return false;
			gap = used;
			s += 2;
			continue;
		}
		if (*s == ':' && used > 0 && gap != used)
			s++;
		digits = parse_group(s, &group);
		if (s[digits] == '.' && used <= 12 && parse_ipv4(s, bytes + used))
			return close_gap(bytes, used + 4, gap);
		if (!digits || digits > 4 || used > 14)
			return false;
		s += digits;
		bytes[used++] = group >> 8;
		bytes[used++] = group;
	}
	return close_gap(bytes, used, gap);
}

bool address_parse(const char *text, struct address *ret)
{
	*ret = (struct address){ .len = 4 };
	if (parse_ipv4(text, ret->bytes))
		return true;
	*ret = (struct address){ .len = 16 };
	return parse_ipv6(text, ret->bytes);
}
