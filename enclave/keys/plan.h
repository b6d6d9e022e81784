/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which keys an enclave needs, by its owner's sealed configuration: the
 * library kernel has verified it and made it part of the measurement.
 */
#ifndef KEYS_PLAN_H
#define KEYS_PLAN_H

#include <stddef.h>

enum {
	PLAN_KEYS_MAX = 32,
	PLAN_NAME_MAX = 48,
	PLAN_PATH_MAX = 200,
	FINGERPRINT_CHARACTERS = 64,
};

struct plan {
	char fingerprint[FINGERPRINT_CHARACTERS + 1];	/* of the broker's certificate */
	int count;
	struct wanted {
		char name[PLAN_NAME_MAX];	/* root, data-NAME, wireguard */
		char path[PLAN_PATH_MAX];	/* REPOSITORY/TYPE/NAME */
	} wanted[PLAN_KEYS_MAX];
};

/* Read the launch record, NUL-terminated strings key=value; 0, or -EBADMSG. */
int plan_parse(struct plan *ret, const char *record, size_t length);

#endif /* KEYS_PLAN_H */
