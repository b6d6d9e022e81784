/* SPDX-License-Identifier: Apache-2.0 */
/* The way to the key broker: TCP, TLS 1.3, and the one certificate that it may show. */
#ifndef KEYS_BROKER_H
#define KEYS_BROKER_H

#include <stdint.h>
#include <sys/socket.h>

#include "answer.h"

enum { PIN_BYTES = 32, HOST_MAX = 64 };

struct broker {
	struct sockaddr_storage address;
	socklen_t address_bytes;
	char host[HOST_MAX];		/* as it stands in the URL, with its port */
	uint8_t pin[PIN_BYTES];		/* SHA-256 of its certificate, DER */
	char answer[ANSWER_MAX];	/* the latest */
};

/* Read https://ADDRESS[:PORT] and 64 hexadecimal digits; 0, or -EBADMSG. */
int broker_parse(struct broker *ret, const char *url, const char *pin);

/* One exchange on a connection of its own; @request is a whole HTTP request. */
int broker_exchange(struct broker *broker, const char *request, size_t bytes, struct answer *ret);

#endif /* KEYS_BROKER_H */
