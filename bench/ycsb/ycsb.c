// SPDX-License-Identifier: Apache-2.0
/*
 * ycsb: YCSB's workload A against Redis, in one thread.
 *
 *	ycsb load HOST PORT RECORDS
 *	ycsb run HOST PORT RECORDS CONNECTIONS SECONDS
 *
 * `load` stores RECORDS hashes of 10 fields of 100 bytes. `run` warms up for a
 * fifth of SECONDS, then counts for SECONDS: half HGETALL, half HSET of one
 * field, keys zipfian with theta 0.99. Each connection has one operation in
 * flight. Prints lines of NAME VALUE UNIT; `client_cpu` is the share of a core
 * that this program used: near 1 it is what was measured, not the server.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "histogram.h"
#include "reply.h"
#include "zipfian.h"

enum {
	FIELDS = 10,
	FIELD_BYTES = 100,
	LOAD_BATCH = 64,
	READ_BYTES = 64 << 10,
	EVENTS = 256,
	COMMAND_BYTES = 2048,
	WAIT_MS = 5000,
};

enum operation { OP_READ, OP_UPDATE, OPERATIONS };

struct connection {
	int fd;
	struct reply reply;
	enum operation operation;
	uint64_t sent_ns;
};

struct client {
	int epoll;
	struct connection *connections;
	int count;
	struct zipfian keys;
	uint64_t counted_from_ns, end_ns;
	struct histogram all, latency[OPERATIONS];
	char value[FIELD_BYTES];
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int die(const char *what, int err)
{
	fprintf(stderr, "ycsb: %s: %s\n", what, strerror(-err));
	return EXIT_FAILURE;
}

static int connect_to(const char *host, int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int one = 1, fd;

	if (inet_pton(AF_INET, host, &to.sin_addr) != 1)
		return -EINVAL;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&to, sizeof(to))) {
		close(fd);
		return -ECONNREFUSED;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static int send_all(int fd, const char *data, size_t bytes)
{
	while (bytes) {
		ssize_t sent = send(fd, data, bytes, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return -errno;
		data += sent;
		bytes -= (size_t)sent;
	}
	return 0;
}

static int format_insert(char *out, uint64_t record, const char *value)
{
	char key[32];
	int n, i;

	n = snprintf(key, sizeof(key), "user%llu", (unsigned long long)record);
	n = sprintf(out, "*%d\r\n$4\r\nHSET\r\n$%d\r\n%s\r\n", 2 + 2 * FIELDS, n, key);
	for (i = 0; i < FIELDS; i++)
		n += sprintf(out + n, "$6\r\nfield%d\r\n$%d\r\n%.*s\r\n", i, FIELD_BYTES,
			     FIELD_BYTES, value);
	return n;
}

static int format_operation(char *out, struct client *c, enum operation operation)
{
	char key[32];
	int n;

	n = snprintf(key, sizeof(key), "user%llu", (unsigned long long)zipfian_next(&c->keys));
	if (operation == OP_READ)
		return sprintf(out, "*2\r\n$7\r\nHGETALL\r\n$%d\r\n%s\r\n", n, key);
	return sprintf(out, "*4\r\n$4\r\nHSET\r\n$%d\r\n%s\r\n$6\r\nfield%d\r\n$%d\r\n%.*s\r\n", n,
		       key, (int)(zipfian_random(&c->keys) % FIELDS), FIELD_BYTES, FIELD_BYTES,
		       c->value);
}

/* Receives until @replies are complete. */
static int receive_replies(struct connection *conn, int replies)
{
	static char buffer[READ_BYTES];
	ssize_t got, used;
	int done;

	while (replies) {
		got = recv(conn->fd, buffer, sizeof(buffer), 0);
		if (got <= 0)
			return got ? -errno : -ECONNRESET;
		for (used = 0; used < got && replies; replies -= done) {
			long taken = reply_feed(&conn->reply, buffer + used, (size_t)(got - used), &done);

			if (taken < 0)
				return (int)taken;
			used += taken;
		}
	}
	return 0;
}

static int load(struct client *c, uint64_t records)
{
	static char batch[LOAD_BATCH * COMMAND_BYTES];
	struct connection *conn = &c->connections[0];
	uint64_t record = 0;
	int n, count, err;

	while (record < records) {
		for (n = 0, count = 0; count < LOAD_BATCH && record < records; count++)
			n += format_insert(batch + n, record++, c->value);
		err = send_all(conn->fd, batch, (size_t)n);
		if (!err)
			err = receive_replies(conn, count);
		if (err)
			return err;
	}
	return 0;
}

static int start_operation(struct client *c, struct connection *conn)
{
	char command[COMMAND_BYTES];
	int n;

	conn->operation = zipfian_uniform(&c->keys) < 0.5 ? OP_READ : OP_UPDATE;
	n = format_operation(command, c, conn->operation);
	conn->sent_ns = clock_ns(CLOCK_MONOTONIC);
	return send_all(conn->fd, command, (size_t)n);
}

static void count_operation(struct client *c, const struct connection *conn, uint64_t now_ns)
{
	if (conn->sent_ns < c->counted_from_ns || now_ns > c->end_ns)
		return;
	histogram_add(&c->all, now_ns - conn->sent_ns);
	histogram_add(&c->latency[conn->operation], now_ns - conn->sent_ns);
}

static int on_readable(struct client *c, struct connection *conn)
{
	static char buffer[READ_BYTES];
	ssize_t got = recv(conn->fd, buffer, sizeof(buffer), MSG_DONTWAIT);
	long taken;
	int done;

	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (got == 0)
		return -ECONNRESET;
	taken = reply_feed(&conn->reply, buffer, (size_t)got, &done);
	if (taken < 0 || taken != got)
		return taken < 0 ? (int)taken : -EPROTO;
	if (!done)
		return 0;
	count_operation(c, conn, clock_ns(CLOCK_MONOTONIC));
	return start_operation(c, conn);
}

static int run_until_end(struct client *c)
{
	struct epoll_event events[EVENTS];
	int i, n, err = 0;

	for (i = 0; i < c->count && !err; i++)
		err = start_operation(c, &c->connections[i]);
	while (!err && clock_ns(CLOCK_MONOTONIC) < c->end_ns) {
		n = epoll_wait(c->epoll, events, EVENTS, WAIT_MS);
		if (n == 0)
			return -ETIMEDOUT;
		if (n < 0 && errno != EINTR)
			return -errno;
		for (i = 0; i < n && !err; i++)
			err = on_readable(c, events[i].data.ptr);
	}
	return err;
}

static int open_connections(struct client *c, const char *host, int port)
{
	int i;

	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	c->connections = calloc((size_t)c->count, sizeof(*c->connections));
	if (c->epoll < 0 || !c->connections)
		return -ENOMEM;
	for (i = 0; i < c->count; i++) {
		struct connection *conn = &c->connections[i];
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = conn };

		conn->fd = connect_to(host, port);
		if (conn->fd < 0)
			return conn->fd;
		if (epoll_ctl(c->epoll, EPOLL_CTL_ADD, conn->fd, &event))
			return -errno;
	}
	return 0;
}

static void print_quantiles(const char *name, const struct histogram *h)
{
	static const struct { const char *name; double q; } wanted[] = {
		{ "p50", 0.5 }, { "p99", 0.99 }, { "p999", 0.999 },
	};
	size_t i;

	for (i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		printf("%s%s %.1f us\n", name, wanted[i].name,
		       (double)histogram_quantile(h, wanted[i].q) / 1000);
}

static int run(struct client *c, double seconds)
{
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
	uint64_t cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	int err;

	c->counted_from_ns = now_ns + (uint64_t)(seconds * 2e8);
	c->end_ns = c->counted_from_ns + (uint64_t)(seconds * 1e9);
	err = run_until_end(c);
	if (err)
		return err;
	cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns;
	printf("throughput %.1f op/s\n", (double)c->all.total / seconds);
	print_quantiles("", &c->all);
	print_quantiles("read_", &c->latency[OP_READ]);
	print_quantiles("update_", &c->latency[OP_UPDATE]);
	printf("client_cpu %.3f cores\n", (double)cpu_ns / (seconds * 1.2e9));
	return 0;
}

static int usage(void)
{
	fprintf(stderr, "usage: ycsb load HOST PORT RECORDS\n"
			"       ycsb run HOST PORT RECORDS CONNECTIONS SECONDS\n");
	return 2;
}

int main(int argc, char **argv)
{
	static struct client c;
	int loads = argc == 5 && !strcmp(argv[1], "load");
	double seconds = 0;
	uint64_t records;
	int err;

	if (!loads && !(argc == 7 && !strcmp(argv[1], "run")))
		return usage();
	records = strtoull(argv[4], NULL, 10);
	c.count = loads ? 1 : atoi(argv[5]);
	if (!loads)
		seconds = atof(argv[6]);
	if (c.count < 1 || records < 2 || (!loads && seconds <= 0))
		return usage();
	memset(c.value, 'v', sizeof(c.value));
	err = open_connections(&c, argv[2], atoi(argv[3]));
	if (err)
		return die("cannot connect", err);
	if (loads) {
		err = load(&c, records);
		return err ? die("cannot load the records", err) : 0;
	}
	zipfian_init(&c.keys, records, 0.99, 1);
	err = run(&c, seconds);
	return err ? die("the run failed", err) : 0;
}
