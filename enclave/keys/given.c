// SPDX-License-Identifier: Apache-2.0
/* Reads PID 1's two files: it wrote one, and got the other from the host, checked. */
#include "given.h"

#include "refusal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { RECORD_BYTES_MAX = 1 << 20 };

/* All of a file below @room bytes; its bytes, or -EBADMSG. */
static long read_file(const char *path, void *dst, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t have = 0;
	ssize_t n;

	if (fd < 0)
		return refuse("cannot open %s: %s", path, strerror(errno));
	do {
		n = read(fd, (char *)dst + have, room - have);
		have += n > 0 ? n : 0;
	} while (n > 0 && have < room);
	close(fd);
	return n < 0 || have == room ? refuse("%s cannot be read, or is too long", path) : (long)have;
}

int given_plan(struct plan *ret)
{
	static char record[RECORD_BYTES_MAX + 1];
	long bytes = read_file("/launch", record, sizeof(record));

	return bytes < 0 ? bytes : plan_parse(ret, record, bytes);
}

int given_measurement(uint8_t measurement[MEASUREMENT_BYTES])
{
	char text[2 * MEASUREMENT_BYTES + 2];
	long bytes = read_file("/measurement", text, sizeof(text));

	if (bytes < 0)
		return bytes;
	if (bytes != 2 * MEASUREMENT_BYTES + 1 || text[bytes - 1] != '\n' ||
	    strspn(text, "0123456789abcdef") != 2 * MEASUREMENT_BYTES)
		return refuse("/measurement is not 96 hexadecimal digits");
	for (int i = 0; i < MEASUREMENT_BYTES; i++)
		sscanf(text + 2 * i, "%2hhx", &measurement[i]);
	return 0;
}
