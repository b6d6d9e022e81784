/* SPDX-License-Identifier: GPL-2.0-only */
/* One checker per key of the launch record. */
#ifndef RT_LAUNCH_VALUE_H
#define RT_LAUNCH_VALUE_H

#include "launch.h"

/* Where a checker writes: the result, and the line for the user. */
struct rt_launch_check {
	struct rt_launch *launch;
	const char *key;
	char *error;
	size_t error_size;
};

/* Returns 0 or, having written the line, -EINVAL. */
typedef int rt_launch_value_fn(struct rt_launch_check *p, const char *value);

#define X(name, count, form, meaning) rt_launch_value_fn rt_launch_##name;
LAUNCH_KEYS(X)
#undef X

/* Write the line; always returns -EINVAL. */
int rt_launch_refuse(struct rt_launch_check *p, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* A decimal number and nothing else: no sign, no blank, no overflow. */
bool rt_launch_number(const char *text, uint64_t *ret);

/* nvme0n1: the first controller's namespace 1, whether there is one or not. */
bool rt_launch_nvme_name(const char *name);

#endif /* RT_LAUNCH_VALUE_H */
