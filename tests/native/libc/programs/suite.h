/* SPDX-License-Identifier: Apache-2.0 */
/* What the cases of the suite share: a check that names what failed. */
#ifndef SUITE_H
#define SUITE_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                              \
	do {                                                          \
		if (!(condition)) {                                   \
			fprintf(stderr, "%s:%d: %s\n", __FILE__,      \
				__LINE__, #condition);                \
			exit(1);                                      \
		}                                                     \
	} while (0)

void test_threads(void);
void test_detached(void);
void test_tls(void);
void test_setuid(void);
void test_timer(void);
void test_cancel_blocked(void);
void test_cancel_loses_nothing(void);
void test_cancel_masked(void);
void test_signals(void);
void test_signal_restart(void);
void test_signal_stack(void);
void test_fork(void);
void test_vfork(void);
void test_spawn(void);
void test_stdio(void);
void test_dlopen(void);
void test_registers(void);
void test_entry_read_only(void);

#endif
