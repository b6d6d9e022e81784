// SPDX-License-Identifier: Apache-2.0
/* Keeps the first reason, in ASCII: it goes to a terminal and may quote the network. */
#include "refusal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static char reason[320];

int refuse(const char *format, ...)
{
	va_list args;

	if (reason[0])
		return -EBADMSG;
	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	for (char *c = reason; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return -EBADMSG;
}

const char *refusal(void)
{
	return reason;
}

void refusal_forget(void)
{
	reason[0] = '\0';
}
