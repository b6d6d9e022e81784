/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence as /dev/rktio-tee gives it, and as the broker wants it. What a
 * TEE's host had a hand in, the table of certificates, is bounded here.
 */
#ifndef KEYS_EVIDENCE_H
#define KEYS_EVIDENCE_H

#include <stddef.h>
#include <stdint.h>

#include "message.h"

enum {
	EVIDENCE_BYTES_MAX = 16 + 2 * 32768,
	MEASUREMENT_BYTES = 48,
	CERTIFICATE_BYTES_MAX = 8192,	/* what the broker takes */
};

struct evidence {
	uint32_t tee;			/* enum rktio_tee */
	const uint8_t *primary, *auxiliary;
	size_t primary_bytes, auxiliary_bytes;
};

/* What the protocol calls a TEE, or NULL. */
const char *evidence_tee(uint32_t tee);

/* Take apart what the device gave; 0, or -EBADMSG. */
int evidence_parse(struct evidence *ret, const uint8_t *raw, size_t length);

/* Write the protocol's primary_evidence; its length, or -EBADMSG. */
long evidence_json(char *dst, size_t room, const struct evidence *evidence,
		   const uint8_t report_data[REPORT_DATA_BYTES]);

/* device.c: the device itself. Each returns 0 or more, or -EBADMSG. */
int device_open(void);
/* Which TEE this is. */
int device_tee(int device, uint32_t *tee);
/* Ask for evidence; the bytes of it in @raw, of EVIDENCE_BYTES_MAX. */
long device_ask(int device, const uint8_t report_data[REPORT_DATA_BYTES], uint8_t *raw);

#endif /* KEYS_EVIDENCE_H */
