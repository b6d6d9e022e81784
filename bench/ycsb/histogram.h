// SPDX-License-Identifier: Apache-2.0
/*
 * Latencies in buckets of at most 1/64 of their value.
 */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

enum {
	HISTOGRAM_SUB_BITS = 6,
	HISTOGRAM_BUCKETS = (64 - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS,
};

struct histogram {
	uint64_t total;
	uint64_t counts[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t value_ns);
uint64_t histogram_quantile(const struct histogram *h, double q);

#endif /* HISTOGRAM_H */
