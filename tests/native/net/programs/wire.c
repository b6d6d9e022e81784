// SPDX-License-Identifier: Apache-2.0
/* Frames of the enclave's end of the wire, built and taken apart by hand. */
#include "wire.h"

#include <netinet/in.h>
#include <string.h>

enum {
	ETH_BYTES = 14,
	IPV4_BYTES = 20,
	IPV6_BYTES = 40,
	TCP_BYTES = 20,
	UDP_BYTES = 8,
	TCP_CSUM = 16,
	UDP_CSUM = 6,
};

/* 10.9.0.1 and fd09::1 are ours, .254 and ::fe the host's. */
static const uint8_t ipv4[4] = { 10, 9, 0, 1 };
static const uint8_t host_ipv4[4] = { 10, 9, 0, 254 };
static const uint8_t ipv6[16] = { 0xfd, 9, [15] = 1 };
static const uint8_t host_ipv6[16] = { 0xfd, 9, [15] = 0xfe };
const uint8_t wire_mac[6] = { 2, 0, 0, 0, 9, 1 };
uint8_t wire_host_mac[6];

uint16_t wire_sum(const void *data, size_t len, uint32_t start)
{
	const uint8_t *p = data;
	uint64_t sum = start;

	for (; len > 1; p += 2, len -= 2)
		sum += wire_get16(p);
	if (len)
		sum += (uint64_t)*p << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static uint16_t pseudo_sum(bool v6, uint8_t protocol, size_t len)
{
	uint32_t sum = protocol + (uint32_t)(len & 0xffff) + (uint32_t)(len >> 16);

	if (v6)
		return wire_sum(ipv6, 16, wire_sum(host_ipv6, 16, sum));
	return wire_sum(ipv4, 4, wire_sum(host_ipv4, 4, sum));
}

static size_t put_eth_ip(uint8_t *buf, bool v6, uint8_t protocol, size_t l4_len)
{
	uint8_t *ip = buf + ETH_BYTES;

	memcpy(buf, wire_host_mac, 6);
	memcpy(buf + 6, wire_mac, 6);
	wire_set16(buf + 12, v6 ? 0x86dd : 0x0800);
	memset(ip, 0, IPV6_BYTES);
	if (v6) {
		ip[0] = 0x60;
		wire_set16(ip + 4, (uint16_t)l4_len);
		ip[6] = protocol;
		ip[7] = 64;
		memcpy(ip + 8, ipv6, 16);
		memcpy(ip + 24, host_ipv6, 16);
		return ETH_BYTES + IPV6_BYTES;
	}
	ip[0] = 0x45;
	wire_set16(ip + 2, (uint16_t)(IPV4_BYTES + l4_len));
	wire_set16(ip + 6, 0x4000);
	ip[8] = 64;
	ip[9] = protocol;
	memcpy(ip + 12, ipv4, 4);
	memcpy(ip + 16, host_ipv4, 4);
	wire_set16(ip + 10, (uint16_t)~wire_sum(ip, IPV4_BYTES, 0));
	return ETH_BYTES + IPV4_BYTES;
}

static void set_offload(struct rt_net_offload *offload, bool v6, size_t l4,
			unsigned int csum_offset)
{
	*offload = (struct rt_net_offload){
		.csum = RT_NET_CSUM_PARTIAL,
		.ipv6 = v6,
		.l3_start = ETH_BYTES,
		.csum_start = (unsigned short)l4,
		.csum_offset = (unsigned short)csum_offset,
	};
}

size_t wire_put_tcp(uint8_t *buf, const struct wire_flow *flow,
		    const struct wire_tcp *tcp, size_t payload,
		    struct rt_net_offload *offload)
{
	size_t header = TCP_BYTES + tcp->options_len;
	size_t l4 = put_eth_ip(buf, flow->ipv6, IPPROTO_TCP, header + payload);
	uint8_t *p = buf + l4;

	memset(p, 0, TCP_BYTES);
	wire_set16(p, flow->port);
	wire_set16(p + 2, flow->host_port);
	wire_set32(p + 4, tcp->seq);
	wire_set32(p + 8, tcp->ack);
	p[12] = (uint8_t)(header / 4 << 4);
	p[13] = tcp->flags;
	wire_set16(p + 14, tcp->window);
	wire_set16(p + TCP_CSUM, pseudo_sum(flow->ipv6, IPPROTO_TCP, header + payload));
	if (tcp->options_len)
		memcpy(p + TCP_BYTES, tcp->options, tcp->options_len);
	set_offload(offload, flow->ipv6, l4, TCP_CSUM);
	offload->l4_len = (unsigned char)header;
	return l4 + header;
}

size_t wire_put_udp(uint8_t *buf, const struct wire_flow *flow, size_t payload,
		    struct rt_net_offload *offload)
{
	size_t l4 = put_eth_ip(buf, flow->ipv6, IPPROTO_UDP, UDP_BYTES + payload);
	uint8_t *p = buf + l4;

	wire_set16(p, flow->port);
	wire_set16(p + 2, flow->host_port);
	wire_set16(p + 4, (uint16_t)(UDP_BYTES + payload));
	wire_set16(p + UDP_CSUM, pseudo_sum(flow->ipv6, IPPROTO_UDP, UDP_BYTES + payload));
	set_offload(offload, flow->ipv6, l4, UDP_CSUM);
	return l4 + UDP_BYTES;
}

size_t wire_l4(const struct wire_frame *frame)
{
	return wire_get16(frame->data + 12) == 0x86dd ?
	       ETH_BYTES + IPV6_BYTES : ETH_BYTES + IPV4_BYTES;
}

static uint8_t protocol_of(const struct wire_frame *frame)
{
	return wire_get16(frame->data + 12) == 0x86dd ?
	       frame->data[ETH_BYTES + 6] : frame->data[ETH_BYTES + 9];
}

bool wire_is_of(const struct wire_frame *frame, const struct wire_flow *flow,
		uint8_t protocol)
{
	const uint8_t *l4 = frame->data + wire_l4(frame);

	return wire_get16(frame->data + 12) == (flow->ipv6 ? 0x86dd : 0x0800) &&
	       protocol_of(frame) == protocol &&
	       wire_get16(l4) == flow->host_port && wire_get16(l4 + 2) == flow->port;
}

size_t wire_payload(const struct wire_frame *frame)
{
	size_t l4 = wire_l4(frame);

	if (protocol_of(frame) == IPPROTO_UDP)
		return l4 + UDP_BYTES;
	return l4 + (frame->data[l4 + 12] >> 4) * 4u;
}

bool wire_has_pseudo_sum(const struct wire_frame *frame)
{
	size_t l4 = wire_l4(frame);
	bool udp = protocol_of(frame) == IPPROTO_UDP;
	uint16_t field = wire_get16(frame->data + l4 + (udp ? UDP_CSUM : TCP_CSUM));

	return field == pseudo_sum(wire_get16(frame->data + 12) == 0x86dd,
				   protocol_of(frame), frame->len - l4);
}
