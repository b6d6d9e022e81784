/* SPDX-License-Identifier: GPL-2.0-only */
/* A root whose image stays as it is: writes go to a layer over it. */
#ifndef INIT_OVERLAY_H
#define INIT_OVERLAY_H

/* Where the image has to be mounted. */
#define OVERLAY_LOWER "/sealed"

/*
 * Lay over it the data disk that is for /, or else private memory of at most
 * @bytes, and mount both on @target.
 */
void overlay_mount(const char *bytes, const char *target);

#endif /* INIT_OVERLAY_H */
