/* SPDX-License-Identifier: GPL-2.0-only */
/* An empty ext4 file system, made without mke2fs. */
#ifndef INIT_EXT4_H
#define INIT_EXT4_H

#include <stdbool.h>

/*
 * Write the small file system that the enclave carries to the block device,
 * unless there is one; whether it was written. Every block that ext4 may read
 * before it writes it is written, since a block that never was doesn't
 * authenticate.
 */
bool ext4_make(const char *device, unsigned long sectors);

/* No more to make: forget the small one. */
void ext4_done(void);

/* Grow the mounted file system to the device's size. */
void ext4_grow(const char *mount, unsigned long sectors);

#endif /* INIT_EXT4_H */
