/* SPDX-License-Identifier: Apache-2.0 */
/* A host made of plain memory, whose completions the tests forge. */
#ifndef FAKE_HOST_H
#define FAKE_HOST_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../../../enclave/runtime/blk.h"

enum { SQ_ENTRIES = RT_BLK_SLOTS, CQ_ENTRIES = 2 * RT_BLK_SLOTS };
enum { MANY = RT_BLK_SLOTS, BLOCK = 4096 };

#define CHECK(condition)                                                   \
	do {                                                               \
		if (!(condition)) {                                        \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__,   \
				__LINE__, #condition);                     \
			exit(1);                                           \
		}                                                          \
	} while (0)

/* The host's memory, exactly as large as it says, so that ASan guards it. */
struct host_rings {
	uint32_t sq_head, sq_tail, sq_flags;
	uint32_t cq_head, cq_tail;
	uint32_t array[SQ_ENTRIES];
	_Alignas(8) struct io_uring_cqe cqes[CQ_ENTRIES];
};

extern struct host_rings *host;
extern struct io_uring_sqe *sqes;
extern struct rt_blk_ring *ring;
extern long enter_result;		/* -1: take all */
extern unsigned int entered;

extern struct rt_blk_request requests[MANY];
extern struct rt_blk_segment segments[MANY];
extern unsigned int completions[MANY];
extern char block[BLOCK];

struct io_uring_params honest_params(void);
int init(struct io_uring_params params);

/* A new ring over a new host; stop() frees both. */
void start(void);
void stop(void);

struct rt_blk_request *prepare(unsigned int i, enum rt_blk_op op);
void submit(unsigned int i, enum rt_blk_op op);
const struct io_uring_sqe *last_sqe(void);
void forge(uint64_t user_data, int32_t res);
unsigned int reap(void);

/* fuzz.c: random lies. */
void fuzz(unsigned int seed);

#endif /* FAKE_HOST_H */
