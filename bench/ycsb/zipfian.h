// SPDX-License-Identifier: Apache-2.0
/*
 * Keys as YCSB chooses them: zipfian ranks, scattered over the key space.
 */
#ifndef ZIPFIAN_H
#define ZIPFIAN_H

#include <stdint.h>

struct zipfian {
	uint64_t items;
	double theta, alpha, zetan, eta;
	uint64_t state;		/* of the generator, never 0 */
};

void zipfian_init(struct zipfian *z, uint64_t items, double theta, uint64_t seed);
uint64_t zipfian_random(struct zipfian *z);
double zipfian_uniform(struct zipfian *z);
uint64_t zipfian_next(struct zipfian *z);

#endif /* ZIPFIAN_H */
