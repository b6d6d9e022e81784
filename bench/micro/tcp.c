// SPDX-License-Identifier: Apache-2.0
/*
 * tcp_64k, tcp_rr: two threads over loopback TCP.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "micro.h"

enum {
	TCP_WRITE_BYTES = 64 << 10,
	TCP_MESSAGE_BYTES = 64,
};

static char payload[TCP_WRITE_BYTES] __attribute__((aligned(PAGE_BYTES)));

/* ---- tcp_64k, tcp_rr: two threads over loopback ---- */

struct connection {
	int near;
	int far;
	size_t received_bytes;	/* by the far side, valid after its thread ended */
};

static int connect_loopback(struct connection *ret)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t length = sizeof(address);
	int listener, err = 0, on = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*ret = (struct connection){ .near = -1, .far = -1 };
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0)
		return -errno;
	ret->near = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (ret->near < 0 ||
	    bind(listener, (struct sockaddr *)&address, length) ||
	    listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&address, &length) ||
	    connect(ret->near, (struct sockaddr *)&address, length) ||
	    (ret->far = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) < 0 ||
	    setsockopt(ret->near, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) ||
	    setsockopt(ret->far, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)))
		err = -errno;
	close(listener);
	return err;
}

static void disconnect(struct connection *connection)
{
	if (connection->near >= 0)
		close(connection->near);
	if (connection->far >= 0)
		close(connection->far);
}

static void *tcp_sink(void *arg)
{
	static char sink[TCP_WRITE_BYTES];
	struct connection *connection = arg;
	ssize_t got;

	while ((got = read(connection->far, sink, sizeof(sink))) > 0)
		connection->received_bytes += (size_t)got;
	return NULL;
}

static long tcp_write_batch(void *arg)
{
	enum { WRITES = 16 };
	struct connection *connection = arg;
	int err;

	for (int i = 0; i < WRITES; i++) {
		err = whole(write(connection->near, payload, TCP_WRITE_BYTES), TCP_WRITE_BYTES);
		if (err)
			return err;
	}
	return WRITES;
}

/* Counts what arrived, up to the moment when the last byte did. */
int bench_tcp_64k(const struct settings *settings, double *ret)
{
	struct connection connection;
	double start, write_ns;
	pthread_t sink;
	int err;

	err = connect_loopback(&connection);
	if (!err)
		err = -pthread_create(&sink, NULL, tcp_sink, &connection);
	if (err)
		goto disconnect;
	start = now_seconds();
	err = time_operation(tcp_write_batch, &connection, settings->seconds, &write_ns);
	shutdown(connection.near, SHUT_WR);
	pthread_join(sink, NULL);
	*ret = (double)connection.received_bytes / (now_seconds() - start) / 1e9;
disconnect:
	disconnect(&connection);
	return err;
}

static void *tcp_echo(void *arg)
{
	struct connection *connection = arg;
	char message[TCP_MESSAGE_BYTES];

	while (recv(connection->far, message, sizeof(message), MSG_WAITALL) == sizeof(message))
		if (write(connection->far, message, sizeof(message)) != sizeof(message))
			break;
	return NULL;
}

/* Blocking sockets deliver a 64 B message whole, so read() is enough here. */
static long tcp_rr_batch(void *arg)
{
	struct connection *connection = arg;
	char message[TCP_MESSAGE_BYTES] = { 0 };
	int err;

	for (int i = 0; i < ROUND_TRIPS; i++) {
		err = whole(write(connection->near, message, sizeof(message)), sizeof(message));
		if (!err)
			err = whole(read(connection->near, message, sizeof(message)), sizeof(message));
		if (err)
			return err;
	}
	return ROUND_TRIPS;
}

int bench_tcp_rr(const struct settings *settings, double *ret)
{
	struct connection connection;
	pthread_t echo;
	int err;

	err = connect_loopback(&connection);
	if (!err)
		err = -pthread_create(&echo, NULL, tcp_echo, &connection);
	if (err)
		goto disconnect;
	err = time_operation(tcp_rr_batch, &connection, settings->seconds, ret);
	shutdown(connection.near, SHUT_WR);
	pthread_join(echo, NULL);
disconnect:
	disconnect(&connection);
	return err;
}
