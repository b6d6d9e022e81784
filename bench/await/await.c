// SPDX-License-Identifier: Apache-2.0
/*
 * await: become a client as soon as its server takes connections.
 *
 *	await HOST PORT PROGRAM [ARGS...]
 *
 * Prints the line `await: ready` and executes PROGRAM, so that whoever reads
 * it can tell the start of a machine from the work of the client. PORT 0
 * waits for nobody.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { DEADLINE_SECONDS = 60, RETRY_NS = 5 * 1000 * 1000 };

static int connects(const struct sockaddr_in *to)
{
	struct timeval patience = { .tv_sec = 1 };
	int fd, err;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* Bounds connect(2) too: a first SYN may be lost before the other end is there. */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	err = connect(fd, (const struct sockaddr *)to, sizeof(*to)) ? -errno : 0;
	close(fd);
	return err;
}

int main(int argc, char **argv)
{
	const struct timespec retry = { .tv_nsec = RETRY_NS };
	struct sockaddr_in to = { .sin_family = AF_INET };
	time_t end = time(NULL) + DEADLINE_SECONDS;
	int err = 0;

	if (argc < 4 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
		fprintf(stderr, "usage: await HOST PORT PROGRAM [ARGS...]\n");
		return 2;
	}
	to.sin_port = htons((uint16_t)atoi(argv[2]));
	while (to.sin_port && (err = connects(&to)) && time(NULL) < end)
		nanosleep(&retry, NULL);
	if (err) {
		fprintf(stderr, "await: %s:%s: %s\n", argv[1], argv[2], strerror(-err));
		return EXIT_FAILURE;
	}
	printf("await: ready\n");
	fflush(stdout);
	execvp(argv[3], argv + 3);
	fprintf(stderr, "await: %s: %s\n", argv[3], strerror(errno));
	return EXIT_FAILURE;
}
