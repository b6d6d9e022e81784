// SPDX-License-Identifier: GPL-2.0-only
/* The launch record's values for WireGuard: their form; PID 1 acts on them. */
#include "launch_value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_DIGITS = 44 };	/* 32 bytes in base64 */

static bool number_in(const char *text, size_t len, uint64_t min, uint64_t max)
{
	char digits[8];
	uint64_t n;

	if (len >= sizeof(digits))
		return false;
	memcpy(digits, text, len);
	digits[len] = '\0';
	return rt_launch_number(digits, &n) && n >= min && n <= max;
}

int rt_launch_wireguard(struct rt_launch_check *p, const char *value)
{
	size_t port = strcspn(value, ":");
	const char *mtu = value + port + (value[port] == ':');
	size_t len = strcspn(mtu, ":");

	if (!number_in(value, port, 1, 65535) || mtu[len] != ':' ||
	    !number_in(mtu, len, LAUNCH_MTU_MIN, LAUNCH_MTU_MAX) ||
	    (strcmp(mtu + len, ":only") && strcmp(mtu + len, ":open")))
		return rt_launch_refuse(p, "'%.64s' is not PORT:MTU:only|open", value);
	return 0;
}

int rt_launch_wireguard_addr(struct rt_launch_check *p, const char *value)
{
	return rt_launch_addr(p, value);
}

/* Five fields or more, none empty; PID 1 takes them apart. */
int rt_launch_wireguard_peer(struct rt_launch_check *p, const char *value)
{
	size_t key = strcspn(value, ",");
	const char *seconds = value + key + 1;
	unsigned int commas = 0;
	bool empty = false;

	for (const char *c = value; *c; c++) {
		if (*c != ',')
			continue;
		commas++;
		empty |= c == value || c[1] == ',' || !c[1];
	}
	if (commas < 4 || empty || key != KEY_DIGITS ||
	    !number_in(seconds, strcspn(seconds, ","), 0, 65535))
		return rt_launch_refuse(p, "'%.64s' is not KEY,SECONDS,ENDPOINT,PRESHARED,ADDRESS/PREFIX[,...]",
					value);
	return 0;
}
