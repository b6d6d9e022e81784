/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The sealed configuration. The library kernel has checked its signature
 * (kernel/sealed.c); here it takes the place of what the host asked for.
 */
#ifndef INIT_CONFIG_H
#define INIT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Before anything else of a sealed image's start: stop where the kernel
 * refused the owner or the document, or where the host asks for what the
 * document doesn't allow; then make the launch record say what the document
 * says. Does nothing without a sealed configuration. Needs /dev.
 */
void config_enforce(void);

/*
 * The document, checked, for json_get(); NULL without a sealed configuration.
 * For parts that the launch record has no keys for.
 */
const char *config_document(void);

/* Hexadecimal digits of the enclave's measurement; NULL without a configuration. */
const char *config_measurement(void);
/* SHA-256 of the owner's certificate, likewise. */
const char *config_fingerprint(void);

/* init_policy.c: stop where the host's @entry of the record is not its to give. */
void policy_check(const char *document, const char *entry);
/* Does the host give the variable that the document's @key names? */
bool policy_host_sets(const char *key);

#endif /* INIT_CONFIG_H */
