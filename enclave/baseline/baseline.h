/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The baselines, as the enclave's start sees them: three ways to do I/O that
 * rkt-io is measured against (docs/baselines.md). None of their code runs, and
 * none of their threads exists, unless the launch record asks for one.
 */
#ifndef RT_BASELINE_H
#define RT_BASELINE_H

#include <stdint.h>

#include "../runtime/launch.h"

/*
 * direct: returns, having done nothing. libos-host: returns, having put
 * threads of the host between the devices and us. sync, switchless: becomes
 * the program on the host's kernel, and does not return.
 */
void rt_baseline_start(struct rt_launch *launch);

void rt_baseline_start_hosted(struct rt_launch *launch);
void rt_baseline_start_program(const struct rt_launch *launch) __attribute__((noreturn));

/* World switches of libos-host so far, and the price of each. */
uint64_t rt_baseline_crossings(uint64_t *ret_cycles);

#endif /* RT_BASELINE_H */
