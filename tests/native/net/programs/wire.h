/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of the enclave's end of the wire, built and taken apart by hand. */
#ifndef WIRE_H
#define WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../../../enclave/libos/overlay/arch/libos/include/asm/runtime_net.h"

enum {
	WIRE_FIN = 1,
	WIRE_SYN = 2,
	WIRE_PSH = 8,
	WIRE_ACK = 16,
	WIRE_HEADERS_MAX = 128,
};

/* Addresses and ports of one conversation: ours, and the host's. */
struct wire_flow {
	bool ipv6;
	uint16_t port, host_port;
};

struct wire_tcp {
	uint32_t seq, ack;
	uint16_t window;
	uint8_t flags;
	const uint8_t *options;
	size_t options_len;
};

extern const uint8_t wire_mac[6];
extern uint8_t wire_host_mac[6];

/* The sum of @len bytes in network order, folded, not inverted. */
uint16_t wire_sum(const void *data, size_t len, uint32_t start);

/*
 * Ethernet, IP and TCP or UDP headers for @payload bytes that follow. The
 * checksum field holds the sum of the pseudo header; *offload says how to
 * finish it. Returns the bytes written to @buf (WIRE_HEADERS_MAX).
 */
size_t wire_put_tcp(uint8_t *buf, const struct wire_flow *flow,
		    const struct wire_tcp *tcp, size_t payload,
		    struct rt_net_offload *offload);
size_t wire_put_udp(uint8_t *buf, const struct wire_flow *flow, size_t payload,
		    struct rt_net_offload *offload);

/* A received frame, linear. */
struct wire_frame {
	uint8_t data[RT_NET_FRAME_MAX];
	size_t len;
	struct rt_net_offload offload;
};

/* Whether the frame is one of @flow with TCP or UDP (@protocol) in it. */
bool wire_is_of(const struct wire_frame *frame, const struct wire_flow *flow,
		uint8_t protocol);
/* Offset of the TCP or UDP header, and of what it carries. */
size_t wire_l4(const struct wire_frame *frame);
size_t wire_payload(const struct wire_frame *frame);
/* Whether the L4 checksum field holds just the sum of the pseudo header. */
bool wire_has_pseudo_sum(const struct wire_frame *frame);

static inline uint16_t wire_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t wire_get32(const uint8_t *p)
{
	return (uint32_t)wire_get16(p) << 16 | wire_get16(p + 2);
}

static inline void wire_set16(uint8_t *p, uint16_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static inline void wire_set32(uint8_t *p, uint32_t value)
{
	wire_set16(p, (uint16_t)(value >> 16));
	wire_set16(p + 2, (uint16_t)value);
}

#endif /* WIRE_H */
