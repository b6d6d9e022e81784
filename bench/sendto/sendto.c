// SPDX-License-Identifier: Apache-2.0
/*
 * sendto: what a sendto() of a UDP datagram costs its caller (the talk's
 * figure 1a).
 *
 *	sendto HOST PORT BYTES THREADS SECONDS
 *	sendto sink PORT
 *
 * Each thread has a socket of its own. Prints `throughput VALUE call/s`.
 * `sink` is the other end: it holds the port until it is killed, and reads
 * nothing, so that its kernel drops what it received.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, BYTES_MAX = 65000, THREADS_MAX = 64 };

struct sender {
	pthread_t thread;
	struct sockaddr_in to;
	size_t bytes;
	double seconds;
	double calls_per_second;
	int err;
};

static double now_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int send_batch(int fd, const struct sender *s)
{
	static const char payload[BYTES_MAX];
	int i;

	for (i = 0; i < BATCH; i++) {
		/* A full queue of the device is a call that was answered, too. */
		if (sendto(fd, payload, s->bytes, 0, (const struct sockaddr *)&s->to,
			   sizeof(s->to)) < 0 && errno != ENOBUFS && errno != EAGAIN)
			return -errno;
	}
	return 0;
}

static void *send_all(void *arg)
{
	struct sender *s = arg;
	double start, elapsed;
	long calls = 0;
	int fd;

	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0) {
		s->err = -errno;
		return NULL;
	}
	s->err = send_batch(fd, s);	/* not counted: it resolves the neighbour */
	start = now_seconds();
	do {
		if (!s->err)
			s->err = send_batch(fd, s);
		calls += BATCH;
		elapsed = now_seconds() - start;
	} while (!s->err && elapsed < s->seconds);
	s->calls_per_second = (double)calls / elapsed;
	close(fd);
	return NULL;
}

static int hold_port(int port)
{
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), least_bytes = 1;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least_bytes, sizeof(least_bytes));
	if (bind(fd, (const struct sockaddr *)&own, sizeof(own))) {
		perror("sendto: bind");
		return EXIT_FAILURE;
	}
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	static struct sender senders[THREADS_MAX];
	struct sockaddr_in to = { .sin_family = AF_INET };
	double total = 0;
	int threads, i, err = 0;

	if (argc == 3 && !strcmp(argv[1], "sink"))
		return hold_port(atoi(argv[2]));
	if (argc != 6 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
		fprintf(stderr, "usage: sendto HOST PORT BYTES THREADS SECONDS | sendto sink PORT\n");
		return 2;
	}
	to.sin_port = htons((uint16_t)atoi(argv[2]));
	threads = atoi(argv[4]);
	if (threads < 1 || threads > THREADS_MAX || atoi(argv[3]) < 1 || atoi(argv[3]) > BYTES_MAX) {
		fprintf(stderr, "sendto: BYTES or THREADS out of range\n");
		return 2;
	}
	for (i = 0; i < threads; i++) {
		senders[i].to = to;
		senders[i].bytes = (size_t)atoi(argv[3]);
		senders[i].seconds = atof(argv[5]);
		if (pthread_create(&senders[i].thread, NULL, send_all, &senders[i]))
			return EXIT_FAILURE;
	}
	for (i = 0; i < threads; i++) {
		pthread_join(senders[i].thread, NULL);
		total += senders[i].calls_per_second;
		err = err ? err : senders[i].err;
	}
	if (err) {
		fprintf(stderr, "sendto: %s\n", strerror(-err));
		return EXIT_FAILURE;
	}
	printf("throughput %.1f call/s\n", total);
	return 0;
}
