// SPDX-License-Identifier: Apache-2.0
/*
 * Uses the runtime's console as the library kernel would. argv[1] is the
 * descriptor for the results, one line each; then operations.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "console.h"
#include "launch.h"

static int waits;

void rt_wait_add(int fd)
{
	waits += fd >= 0;
}

void rt_wait_del(int fd)
{
	waits -= fd >= 0;
}

/* Write to @fd until the host takes no more; prints how much it took, and why. */
static void fill(FILE *results, int fd)
{
	static const char block[65536];
	long n, total = 0;

	while ((n = rt_console_write(fd, block, sizeof(block))) > 0 &&
	       total < 64 << 20)
		total += n;
	fprintf(results, "filled %ld %ld\n", total, n);
}

static void read_some(FILE *results)
{
	char buf[64];
	long n = rt_console_read(0, buf, sizeof(buf));

	fprintf(results, "read %ld %.*s\n", n, n > 0 ? (int)n : 0, buf);
}

static void size(FILE *results)
{
	unsigned short rows, columns;

	rt_console_size(&rows, &columns);
	fprintf(results, "size %u %u\n", rows, columns);
}

/* Ready for the test to change the other end; it answers with a line. */
static void pause_for_test(FILE *results)
{
	char answer;

	fprintf(results, "paused\n");
	fflush(results);
	if (read(fileno(results), &answer, 1) != 1)
		exit(1);
}

static void operate(FILE *results, const char *what)
{
	if (!strcmp(what, "fill"))
		fill(results, 1);
	else if (!strcmp(what, "write"))
		fprintf(results, "wrote %ld\n", rt_console_write(1, "hello", 5));
	else if (!strcmp(what, "read"))
		read_some(results);
	else if (!strcmp(what, "poll"))
		fprintf(results, "poll %u %u\n", rt_console_poll(0), rt_console_poll(1));
	else if (!strcmp(what, "size"))
		size(results);
	else if (!strcmp(what, "pause"))
		pause_for_test(results);
	else if (!strcmp(what, "wait"))
		rt_console_wait(1), fprintf(results, "waits %d\n", waits);
	else if (!strcmp(what, "restore"))
		rt_console_restore();
}

int main(int argc, char **argv)
{
	struct rt_launch launch = { .tty = !strcmp(argv[2], "tty") };
	FILE *results;

	rt_console_start(&launch);
	results = fdopen(atoi(argv[1]), "r+");
	if (!results)
		return 1;
	setvbuf(results, NULL, _IONBF, 0);
	for (int i = 2; i < argc; i++)
		operate(results, argv[i]);
	return 0;
}
