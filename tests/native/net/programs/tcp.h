/* SPDX-License-Identifier: Apache-2.0 */
/* Just enough TCP over the port under test to talk to a real socket of the host. */
#ifndef TCP_H
#define TCP_H

#include "link.h"

enum {
	TCP_STREAM_BYTES = 8 << 20,
	TCP_SUPER_BYTES = 44 * 1460,	/* payload of the super-frames we send */
};

struct tcp_result {
	unsigned int frames;
	unsigned int super_frames;	/* of them larger than the MSS */
	uint16_t mss;
};

/* The byte at @offset of every test stream. */
static inline uint8_t tcp_pattern(size_t offset)
{
	return (uint8_t)(offset % 251 ^ offset >> 16);
}

/* Send a stream to a listener of the host, which checks all of it. */
void tcp_send_stream(bool ipv6, unsigned int pieces, struct tcp_result *ret);

/* Have the host send a stream, check all of it, and what the frames claim. */
void tcp_receive_stream(bool ipv6, struct tcp_result *ret);

#endif /* TCP_H */
