/* SPDX-License-Identifier: Apache-2.0 */
/* Why the program gives up: the first reason counts, and it is one line. */
#ifndef KEYS_REFUSAL_H
#define KEYS_REFUSAL_H

/* Note a reason, and return -EBADMSG. It may quote what the network sent. */
int refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The first reason, printable; empty where nothing was refused. */
const char *refusal(void);

/* For tests, which refuse more than once. */
void refusal_forget(void);

#endif /* KEYS_REFUSAL_H */
