/* SPDX-License-Identifier: GPL-2.0-only */
/* What a sealed image in /dev/vda says of itself: docs/sealed-images.md. */
#ifndef INIT_IMAGE_H
#define INIT_IMAGE_H

#include <stdbool.h>
#include <stddef.h>

#define IMAGE_DISK "/dev/vda"
#define IMAGE_ROOT IMAGE_DISK "1"
#define IMAGE_VERITY IMAGE_DISK "2"
#define IMAGE_SIGNATURE IMAGE_DISK "3"

enum {
	IMAGE_BLOCK = 4096,
	IMAGE_HASH_DIGITS = 64,
	IMAGE_SIGNATURE_MAX = 4096,
	IMAGE_LUKS_OFFSET = 1 << 20,	/* of the payload, where it is encrypted */
	IMAGE_KEY_BYTES = 64,
};

struct image {
	char root_hash[IMAGE_HASH_DIGITS + 1];
	unsigned long data_blocks;	/* of the root partition */
	char salt[IMAGE_HASH_DIGITS + 1];
	unsigned char signature[IMAGE_SIGNATURE_MAX];
	size_t signature_bytes;
};

/*
 * Check the partition table against @root_hash, and read what dm-verity needs.
 * Nothing of it is trusted: a lie only makes dm-verity refuse. Stops where the
 * image is none, is another one, is cut off or isn't signed.
 */
void image_read(const char *root_hash, const char *fingerprint, struct image *ret);

/* Check the LUKS2 header at the beginning of @device, verified as it is read. */
void image_check_luks(const char *device);
bool image_is_luks(const char *device);

#endif /* INIT_IMAGE_H */
