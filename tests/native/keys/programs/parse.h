/* SPDX-License-Identifier: Apache-2.0 */
/* One entry to all that reads what the network or the TEE's host sent. */
#ifndef TEST_PARSE_H
#define TEST_PARSE_H

#include <stddef.h>
#include <stdint.h>

#include "teekey.h"

/*
 * Parse @bytes as the message that @kind names: A: HTTP answer, C: challenge,
 * T: token, R: resource, E: evidence, P: launch record, D: error body.
 * 0 or more, or negative where it was refused.
 */
long parse(char kind, const uint8_t *bytes, size_t length, const struct teekey *key);

#endif /* TEST_PARSE_H */
