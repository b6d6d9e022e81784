/* SPDX-License-Identifier: GPL-2.0-only */
/* The root file system the library OS starts from: a cpio archive in memory. */
#ifndef RT_INITRAMFS_H
#define RT_INITRAMFS_H

#include <stddef.h>

struct rt_launch;

/* Bytes that rt_initramfs_build() will write for @launch. */
size_t rt_initramfs_size(const struct rt_launch *launch);

/*
 * Write the archive to @dst: /init, /launch, the substituted libc if there is
 * one, /dev/console and the directories init mounts on. Returns its length, a
 * multiple of 512, or 0 when it is larger than @cap. Plain memory copies: may
 * run before or after glibc is usable.
 */
size_t rt_initramfs_build(void *dst, size_t cap, const struct rt_launch *launch);

#endif /* RT_INITRAMFS_H */
