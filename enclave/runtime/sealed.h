/* SPDX-License-Identifier: GPL-2.0-only */
/* What a sealed image's start needs beside the disk. */
#ifndef RT_SEALED_H
#define RT_SEALED_H

struct rt_launch;

/*
 * Before the initramfs is made: take in the keys for development, and get the
 * executable and the owner's word ready for the library kernel. Leaves by
 * rt_fail() when something can't be read.
 */
void rt_sealed_start(struct rt_launch *launch);

/* After it is made: overwrite what was taken in. */
void rt_sealed_start_wipe(struct rt_launch *launch);

#endif /* RT_SEALED_H */
