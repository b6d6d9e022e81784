/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The owner's keys inside PID 1, from wherever they came: the key broker's
 * client /rkt-io-keys (record: keys=URL), or a file of the host for
 * development (insecure_keys=FD). Both give the same text, a line per key:
 *
 *	NAME=HEX
 *
 * NAME is of a-z, 0-9 and -; HEX is lower-case, of KEYS_BYTES_MAX bytes at
 * most. Names in use: root (64 bytes, the volume key of /), data-NAME (the
 * volume key of a data disk), wireguard (32 bytes, the private key).
 *
 * /rkt-io-keys runs with the URL as its only argument, an empty environment,
 * eth0 up, /measurement (96 hexadecimal digits and a newline) in its /, and
 * its standard error on the enclave's. It writes the lines to descriptor 3, a
 * file in private memory that PID 1 overwrites afterwards, and exits 0; any
 * other status stops the start, and the line that it printed says why.
 */
#ifndef INIT_KEYS_H
#define INIT_KEYS_H

#include <stdbool.h>
#include <stddef.h>

enum {
	KEYS_MAX = 32,
	KEYS_BYTES_MAX = 128,	/* of one key */
	KEYS_TEXT_MAX = 16384,	/* of all lines */
};

/* Fill the table. Does nothing when the record names no source of keys. */
void keys_open(void);

/*
 * Move the key @name to @out and wipe it here: each key is taken once. False
 * when there is none of that name, or when it does not have @size bytes; it is
 * then still here, for keys_has(). The caller wipes @out with keys_wipe().
 */
bool keys_take(const char *name, unsigned char *out, size_t size);
bool keys_has(const char *name);

/* Overwrite with zeros, whatever the compiler thinks of it. */
void keys_wipe(void *secret, size_t size);

/* Forget all of them; finish() does so too, on every way out. */
void keys_close(void);

#endif /* INIT_KEYS_H */
