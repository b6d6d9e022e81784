// SPDX-License-Identifier: Apache-2.0
/*
 * Gray et al., "Quickly Generating Billion-Record Synthetic Databases"
 * (SIGMOD 1994), as YCSB's ScrambledZipfianGenerator uses it: the ranks are
 * spread by FNV-1, so that popular keys are not neighbours.
 */
#include <math.h>

#include "zipfian.h"

static const uint64_t fnv_offset = 0xcbf29ce484222325ULL;
static const uint64_t fnv_prime = 1099511628211ULL;

static double zeta(uint64_t items, double theta)
{
	double sum = 0;
	uint64_t i;

	for (i = 1; i <= items; i++)
		sum += 1 / pow((double)i, theta);
	return sum;
}

static uint64_t fnv(uint64_t value)
{
	uint64_t hash = fnv_offset;
	int i;

	for (i = 0; i < 8; i++) {
		hash ^= value & 0xff;
		hash *= fnv_prime;
		value >>= 8;
	}
	return hash;
}

void zipfian_init(struct zipfian *z, uint64_t items, double theta, uint64_t seed)
{
	z->items = items;
	z->theta = theta;
	z->alpha = 1 / (1 - theta);
	z->zetan = zeta(items, theta);
	z->eta = (1 - pow(2.0 / (double)items, 1 - theta)) / (1 - zeta(2, theta) / z->zetan);
	z->state = seed ? seed : fnv_offset;
}

/* xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators". */
uint64_t zipfian_random(struct zipfian *z)
{
	z->state ^= z->state >> 12;
	z->state ^= z->state << 25;
	z->state ^= z->state >> 27;
	return z->state * 2685821657736338717ULL;
}

double zipfian_uniform(struct zipfian *z)
{
	return (double)(zipfian_random(z) >> 11) * 0x1p-53;
}

/* The number of a record, below @items. */
uint64_t zipfian_next(struct zipfian *z)
{
	double u = zipfian_uniform(z);
	double uz = u * z->zetan;
	uint64_t rank;

	if (uz < 1)
		rank = 0;
	else if (uz < 1 + pow(0.5, z->theta))
		rank = 1;
	else
		rank = (uint64_t)((double)z->items * pow(z->eta * u - z->eta + 1, z->alpha));
	return fnv(rank) % z->items;
}
