// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writes the initramfs as a "newc" cpio archive
 * (Documentation/driver-api/early-userspace/buffer-format.rst).
 */
#include "initramfs.h"
#include "launch.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* init_blob.S; weak: what a build may lack. */
extern const unsigned char rt_blob_init_start[], rt_blob_init_end[];
extern const unsigned char rt_blob_keys_start[] __attribute__((weak));
extern const unsigned char rt_blob_keys_end[] __attribute__((weak));
extern const unsigned char rt_blob_ext4_start[] __attribute__((weak));
extern const unsigned char rt_blob_ext4_end[] __attribute__((weak));
extern const unsigned char rt_blob_libc_start[] __attribute__((weak));
extern const unsigned char rt_blob_libc_end[] __attribute__((weak));

enum { HEADER_FIELDS = 13, HEADER_BYTES = 6 + 8 * HEADER_FIELDS, BLOCK = 512 };

/* With a null @dst only the length counts. */
struct archive {
	unsigned char *dst;
	size_t len;
	size_t cap;
	unsigned int inode;
};

static void append(struct archive *a, const void *data, size_t len)
{
	if (len && a->dst && a->len <= a->cap && len <= a->cap - a->len)
		memcpy(a->dst + a->len, data, len);
	a->len += len;
}

static void align(struct archive *a, size_t to)
{
	static const unsigned char zeros[BLOCK];

	append(a, zeros, -a->len & (to - 1));
}

static void append_hex(struct archive *a, unsigned int value)
{
	char text[8];

	for (int i = 7; i >= 0; i--, value >>= 4)
		text[i] = "0123456789abcdef"[value & 15];
	append(a, text, sizeof(text));
}

static void append_entry(struct archive *a, const char *name, mode_t mode,
			 dev_t rdev, const void *data, size_t len)
{
	const unsigned int fields[HEADER_FIELDS] = {
		++a->inode, mode, 0, 0,			/* inode mode uid gid */
		S_ISDIR(mode) ? 2 : 1, 0, len,		/* links mtime size */
		0, 0, major(rdev), minor(rdev),		/* dev, rdev */
		strlen(name) + 1, 0,			/* name length, checksum */
	};

	append(a, "070701", 6);
	for (int i = 0; i < HEADER_FIELDS; i++)
		append_hex(a, fields[i]);
	append(a, name, strlen(name) + 1);
	align(a, 4);
	append(a, data, len);
	align(a, 4);
}

static void append_all(struct archive *a, const struct rt_launch *launch)
{
	append_entry(a, "dev", S_IFDIR | 0755, 0, NULL, 0);
	append_entry(a, "root", S_IFDIR | 0700, 0, NULL, 0);
	append_entry(a, "dev/console", S_IFCHR | 0600, makedev(5, 1), NULL, 0);
	/* Not at the end: the kernel overwrites whole pages of the archive. */
	if (launch->insecure_keys_bytes)
		append_entry(a, "keys", S_IFREG | 0600, 0, launch->insecure_keys,
			     launch->insecure_keys_bytes);
	append_entry(a, "init", S_IFREG | 0700, 0, rt_blob_init_start,
		     rt_blob_init_end - rt_blob_init_start);
	/* The environment in it may hold secrets: for PID 1 only. */
	append_entry(a, "launch", S_IFREG | 0400, 0, launch->record,
		     launch->record_bytes);
	if (launch->keys && rt_blob_keys_start)
		append_entry(a, "rkt-io-keys", S_IFREG | 0700, 0, rt_blob_keys_start,
			     rt_blob_keys_end - rt_blob_keys_start);
	if (rt_blob_ext4_start)
		append_entry(a, "ext4", S_IFREG | 0400, 0, rt_blob_ext4_start,
			     rt_blob_ext4_end - rt_blob_ext4_start);
	if (rt_blob_libc_start)
		append_entry(a, "ld-musl-x86_64.so.1", S_IFREG | 0755, 0,
			     rt_blob_libc_start,
			     rt_blob_libc_end - rt_blob_libc_start);
	append_entry(a, "TRAILER!!!", 0, 0, NULL, 0);
	align(a, BLOCK);
}

size_t rt_initramfs_size(const struct rt_launch *launch)
{
	struct archive a = { 0 };

	append_all(&a, launch);
	return a.len;
}

size_t rt_initramfs_build(void *dst, size_t cap, const struct rt_launch *launch)
{
	struct archive a = { .dst = dst, .cap = cap };

	append_all(&a, launch);
	return a.len <= cap ? a.len : 0;
}
