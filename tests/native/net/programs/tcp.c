// SPDX-License-Identifier: Apache-2.0
/* Just enough TCP over the port under test to talk to a real socket of the host. */
#define _GNU_SOURCE
#include "tcp.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	HOST_PORT = 7000,
	OUR_PORT = 40000,
	WINDOW_SCALE = 7,
};

struct tcp {
	struct wire_flow flow;
	uint32_t seq, ack;
	uint32_t host_acked;
	uint32_t host_window;
	unsigned int host_scale;
	uint16_t mss;
};

static struct wire_frame frame;

/* ---- the host's end: a thread with a socket ---- */

struct host_end {
	pthread_t thread;
	int listener;
	bool sends;
	size_t done;
	bool intact;
};

static void host_read(struct host_end *end, int fd, uint8_t *buf, size_t size)
{
	while (end->done < TCP_STREAM_BYTES) {
		ssize_t n = read(fd, buf, size);

		if (n <= 0)
			return;
		for (ssize_t i = 0; i < n; i++)
			end->intact &= buf[i] == tcp_pattern(end->done++);
	}
}

static void host_write(struct host_end *end, int fd, uint8_t *buf, size_t size)
{
	while (end->done < TCP_STREAM_BYTES) {
		ssize_t n;

		for (size_t i = 0; i < size; i++)
			buf[i] = tcp_pattern(end->done + i);
		n = write(fd, buf, size);
		if (n <= 0)
			return;
		end->done += (size_t)n;
	}
}

static void *host_main(void *arg)
{
	struct host_end *end = arg;
	const size_t size = 256 << 10;
	uint8_t *buf = malloc(size);
	int fd = accept(end->listener, NULL, NULL);

	if (fd >= 0 && buf) {
		if (end->sends)
			host_write(end, fd, buf, size);
		else
			host_read(end, fd, buf, size);
	}
	free(buf);
	return NULL;
}

static void host_start(struct host_end *end, bool ipv6, bool sends)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(HOST_PORT) };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(HOST_PORT) };

	*end = (struct host_end){ .sends = sends, .intact = true };
	end->listener = socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	link_check(!bind(end->listener, ipv6 ? (void *)&v6 : (void *)&v4,
			 ipv6 ? sizeof(v6) : sizeof(v4)));
	link_check(!listen(end->listener, 1));
	link_check(!pthread_create(&end->thread, NULL, host_main, end));
}

/* ---- our end ---- */

static void send_segment(struct tcp *tcp, uint8_t flags, const uint8_t *options,
			 size_t options_len)
{
	struct wire_tcp segment = {
		.seq = tcp->seq, .ack = tcp->ack, .window = 0xffff,
		.flags = flags, .options = options, .options_len = options_len,
	};
	uint8_t headers[WIRE_HEADERS_MAX];
	struct rt_net_offload offload;
	size_t n = wire_put_tcp(headers, &tcp->flow, &segment, 0, &offload);

	link_send(headers, n, NULL, 0, 1, &offload);
}

static void parse_options(struct tcp *tcp, const uint8_t *p, const uint8_t *end)
{
	while (p < end && *p) {
		if (*p == 1) {
			p++;
			continue;
		}
		if (*p == 2)
			tcp->mss = wire_get16(p + 2);
		if (*p == 3)
			tcp->host_scale = p[2];
		p += p[1];
	}
}

static void take_ack(struct tcp *tcp)
{
	const uint8_t *p = frame.data + wire_l4(&frame);

	tcp->host_acked = wire_get32(p + 8);
	tcp->host_window = (uint32_t)wire_get16(p + 14) << tcp->host_scale;
}

static void connect_host(struct tcp *tcp, bool ipv6)
{
	uint16_t mss = ipv6 ? 1440 : 1460;
	uint8_t options[8] = { 2, 4, (uint8_t)(mss >> 8), (uint8_t)mss,
			       1, 3, 3, WINDOW_SCALE };
	const uint8_t *p;

	*tcp = (struct tcp){
		.flow = { .ipv6 = ipv6, .port = OUR_PORT, .host_port = HOST_PORT },
		.seq = 1000,
	};
	send_segment(tcp, WIRE_SYN, options, sizeof(options));
	link_receive_of(&tcp->flow, IPPROTO_TCP, &frame);
	p = frame.data + wire_l4(&frame);
	link_check(p[13] == (WIRE_SYN | WIRE_ACK));
	link_check(wire_get32(p + 8) == 1001);
	take_ack(tcp);
	parse_options(tcp, p + 20, frame.data + wire_payload(&frame));
	tcp->seq = 1001;
	tcp->ack = wire_get32(p + 4) + 1;
	send_segment(tcp, WIRE_ACK, NULL, 0);
}

static size_t may_send(const struct tcp *tcp, size_t offset)
{
	uint32_t in_flight = tcp->seq - tcp->host_acked;
	size_t n = TCP_STREAM_BYTES - offset;

	if (tcp->host_window <= in_flight)
		return 0;
	if (n > tcp->host_window - in_flight)
		n = tcp->host_window - in_flight;
	return n < TCP_SUPER_BYTES ? n : TCP_SUPER_BYTES;
}

static void send_data(struct tcp *tcp, const uint8_t *data, size_t n,
		      unsigned int pieces, struct tcp_result *ret)
{
	struct wire_tcp segment = {
		.seq = tcp->seq, .ack = tcp->ack, .window = 0xffff,
		.flags = WIRE_ACK | WIRE_PSH,
	};
	uint8_t headers[WIRE_HEADERS_MAX];
	struct rt_net_offload offload;
	size_t len = wire_put_tcp(headers, &tcp->flow, &segment, n, &offload);

	ret->frames++;
	if (n > tcp->mss) {
		offload.gso = tcp->flow.ipv6 ? RT_NET_GSO_TCPV6 : RT_NET_GSO_TCPV4;
		offload.gso_bytes = tcp->mss;
		ret->super_frames++;
	}
	link_send(headers, len, data, n, pieces, &offload);
	tcp->seq += (uint32_t)n;
}

void tcp_send_stream(bool ipv6, unsigned int pieces, struct tcp_result *ret)
{
	uint8_t *stream = malloc(TCP_STREAM_BYTES);
	struct host_end end;
	struct tcp tcp;
	size_t sent = 0;

	*ret = (struct tcp_result){ 0 };
	for (size_t i = 0; i < TCP_STREAM_BYTES; i++)
		stream[i] = tcp_pattern(i);
	host_start(&end, ipv6, false);
	connect_host(&tcp, ipv6);
	ret->mss = tcp.mss;
	while (tcp.host_acked != 1001u + TCP_STREAM_BYTES) {
		size_t n = may_send(&tcp, sent);

		if (n && sent < TCP_STREAM_BYTES) {
			send_data(&tcp, stream + sent, n, pieces, ret);
			sent += n;
			continue;
		}
		link_receive_of(&tcp.flow, IPPROTO_TCP, &frame);
		take_ack(&tcp);
	}
	link_check(!pthread_join(end.thread, NULL));
	link_check(end.done == TCP_STREAM_BYTES && end.intact);
	free(stream);
}

/* What is larger than a segment must say so, and not be summed up yet. */
static void check_claims(const struct tcp *tcp, size_t payload, struct tcp_result *ret)
{
	const struct rt_net_offload *o = &frame.offload;
	uint16_t mss = tcp->flow.ipv6 ? 1440 : 1460;

	link_check(o->csum == RT_NET_CSUM_PARTIAL);
	link_check(o->csum_start == wire_l4(&frame) && o->csum_offset == 16);
	link_check(o->ipv6 == tcp->flow.ipv6);
	link_check(wire_has_pseudo_sum(&frame));
	ret->frames++;
	if (payload <= mss) {
		link_check(o->gso == RT_NET_GSO_NONE);
		return;
	}
	ret->super_frames++;
	link_check(o->gso == (tcp->flow.ipv6 ? RT_NET_GSO_TCPV6 : RT_NET_GSO_TCPV4));
	link_check(o->gso_bytes == mss);
	link_check(o->csum_start + o->l4_len == wire_payload(&frame));
}

void tcp_receive_stream(bool ipv6, struct tcp_result *ret)
{
	struct host_end end;
	struct tcp tcp;
	size_t got = 0;

	*ret = (struct tcp_result){ 0 };
	host_start(&end, ipv6, true);
	connect_host(&tcp, ipv6);
	ret->mss = tcp.mss;
	while (got < TCP_STREAM_BYTES) {
		size_t at, n;

		link_receive_of(&tcp.flow, IPPROTO_TCP, &frame);
		at = wire_payload(&frame);
		n = frame.len - at;
		check_claims(&tcp, n, ret);
		link_check(wire_get32(frame.data + wire_l4(&frame) + 4) == tcp.ack);
		for (size_t i = 0; i < n && got < TCP_STREAM_BYTES; i++)
			link_check(frame.data[at + i] == tcp_pattern(got++));
		tcp.ack += (uint32_t)n;
		send_segment(&tcp, WIRE_ACK, NULL, 0);
	}
	link_check(!pthread_join(end.thread, NULL));
}
