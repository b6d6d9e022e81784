/* SPDX-License-Identifier: Apache-2.0 */
/* What the harness's commands share: requests on disk 0 through its ring for CPU 0. */
#ifndef DISK_H
#define DISK_H

#include <stdio.h>
#include <stdlib.h>

#include "../../../../enclave/runtime/blk.h"

#define CHECK(condition)                                                   \
	do {                                                               \
		if (!(condition)) {                                        \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__,   \
				__LINE__, #condition);                     \
			exit(1);                                           \
		}                                                          \
	} while (0)

extern char *ram;		/* 64 MiB, page aligned, shared memory */

extern unsigned int the_ring;

/* host.c: make io_uring_setup fail as a host's policy would. */
void deny_io_uring(void);

/* host.c: sleep until the ring has completions, as an idle CPU does. */
void wait_for_ring(void);

/* disk.c: one request to its end; 0 or -errno. */
int run_request(struct rt_blk_request *request);
int transfer(enum rt_blk_op op, uint64_t offset, void *memory, uint64_t bytes);
int flush(void);

/* Commands; @argument may be NULL. */
int hammer(const char *argument);
int fill(const char *argument);
int read_past_the_end(const char *argument);
int journal(const char *argument);
int bench_read(const char *argument);
int bench_write(const char *argument);
int ask_for_more(const char *argument);

#endif /* DISK_H */
