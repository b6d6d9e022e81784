// SPDX-License-Identifier: Apache-2.0
/*
 * What the benchmarks share: the settings of a run, the clock and the loop.
 */
#ifndef MICRO_H
#define MICRO_H

#include <stddef.h>
#include <sys/types.h>

enum {
	PAGE_BYTES = 4096,
	ROUND_TRIPS = 100,	/* between two looks at the clock */
};

struct settings {
	const char *self;	/* path of this program */
	const char *directory;	/* on the file system under test */
	double seconds;
};

/* Does some operations and returns their number, or -errno. */
typedef long (*batch_fn)(void *arg);

double now_seconds(void);
int time_operation(batch_fn batch, void *arg, double seconds, double *ret_ns);
int whole(ssize_t transferred, size_t wanted);

/* Each returns 0 or -errno; the unit of @ret is in the table of micro.c. */
int bench_pipe(const struct settings *settings, double *ret);
int bench_futex(const struct settings *settings, double *ret);
int bench_tmpfs_pread(const struct settings *settings, double *ret);
int bench_ext4_pread(const struct settings *settings, double *ret);
int bench_ext4_write(const struct settings *settings, double *ret);
int bench_tcp_64k(const struct settings *settings, double *ret);
int bench_tcp_rr(const struct settings *settings, double *ret);

#endif /* MICRO_H */
