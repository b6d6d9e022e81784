/* SPDX-License-Identifier: GPL-2.0-only */
/* Device-mapper by its ioctls (linux/dm-ioctl.h): devices of one target. */
#ifndef INIT_DM_H
#define INIT_DM_H

#include <stdbool.h>
#include <stddef.h>

enum { DM_PATH_BYTES = 32, DM_NAME_BYTES = 48, DM_TABLE_BYTES = 1024 };

/*
 * Make a device @name of @sectors (of 512 bytes) by @target with @table, and
 * write its path to @path. 0 or -errno; nothing is left behind then.
 */
int dm_create(const char *name, const char *target, unsigned long sectors,
	      const char *table, bool readonly, char path[DM_PATH_BYTES]);

/* Overwrite the key of a "crypt" device, which then reads nothing any more. */
void dm_crypt_wipe(const char *name);

/* Take a device away again; 0 or -errno. */
int dm_remove(const char *name);

#endif /* INIT_DM_H */
