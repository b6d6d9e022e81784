// SPDX-License-Identifier: Apache-2.0
/*
 * A log-linear histogram: 64 buckets for each power of two, exact below 64.
 */
#include "histogram.h"

static unsigned int bucket_of(uint64_t value)
{
	unsigned int shift;

	if (value < 1 << HISTOGRAM_SUB_BITS)
		return (unsigned int)value;
	shift = 63 - (unsigned int)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
	return ((shift + 1) << HISTOGRAM_SUB_BITS) +
	       (unsigned int)((value >> shift) - (1 << HISTOGRAM_SUB_BITS));
}

/* The greatest value that falls into a bucket. */
static uint64_t bucket_top(unsigned int bucket)
{
	unsigned int shift = bucket >> HISTOGRAM_SUB_BITS;
	uint64_t sub = bucket & ((1 << HISTOGRAM_SUB_BITS) - 1);

	if (shift == 0)
		return sub;
	return ((sub + (1 << HISTOGRAM_SUB_BITS) + 1) << (shift - 1)) - 1;
}

void histogram_add(struct histogram *h, uint64_t value_ns)
{
	h->counts[bucket_of(value_ns)]++;
	h->total++;
}

/* The value that a share @q of all values does not exceed; 0 without values. */
uint64_t histogram_quantile(const struct histogram *h, double q)
{
	double wanted = q * (double)h->total;
	uint64_t seen = 0;
	unsigned int i;

	for (i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->counts[i];
		if (seen && (double)seen >= wanted)
			return bucket_top(i);
	}
	return 0;
}
