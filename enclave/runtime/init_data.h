/* SPDX-License-Identifier: GPL-2.0-only */
/* Data disks: encrypted and authenticated, formatted by the library OS itself. */
#ifndef INIT_DATA_H
#define INIT_DATA_H

#include <stdbool.h>

/*
 * Open every data disk of the launch record, and format those that are new;
 * the owner's keys are here, the initramfs is still /.
 */
void data_open(void);

/* Is one of them for what is written to / (its mount point is /)? */
bool data_has_upper(void);
/* Mount that one on @target. */
void data_mount_upper(const char *target);

/* Mount the others; the image is /. */
void data_mount(void);

/* Take them off again, with nothing left in their journals. */
void data_unmount(void);

#endif /* INIT_DATA_H */
