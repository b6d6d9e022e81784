// SPDX-License-Identifier: Apache-2.0
/* Says "yes" when standard input is an object in its one spelling, and the string of its key "s". */
#include <stdio.h>
#include <unistd.h>

#include "init_json.h"

/* init_text.c's, which has memcpy of its own beside it. */
const char *text_after(const char *s, const char *prefix)
{
	while (*prefix)
		if (*s++ != *prefix++)
			return NULL;
	return s;
}

int main(void)
{
	static char text[1 << 20], string[1 << 16];
	ssize_t len = read(STDIN_FILENO, text, sizeof(text));

	if (len <= 0 || json_check(text, len) != (size_t)len)
		return puts("no") < 0;
	printf("yes");
	if (json_text(json_get(text, "s"), string, sizeof(string)))
		printf(" %s", string);
	return puts("") < 0;
}
