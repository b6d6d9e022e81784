// SPDX-License-Identifier: GPL-2.0-only
/* Reads a sealed image's partition table, signature and headers. */
#include "init.h"
#include "init_image.h"
#include "init_json.h"
#include "init_pkcs7.h"
#include "init_sys.h"

#include <asm/errno.h>
#include <linux/fcntl.h>
#include <linux/fs.h>

enum {
	SECTOR = 512,
	ENTRY_BYTES = 128,
	SIGNATURE_PARTITION_BYTES = 16384,
	LUKS_HEADER_BYTES = 16384,	/* there are two */
	LUKS_BINARY_BYTES = 4096,
};

/* UEFI 2.10, 5.3.3: as they lie on the disk, all little-endian. */
struct gpt_entry {
	unsigned char type[16];
	unsigned char uuid[16];
	unsigned long first, last;	/* inclusive */
	unsigned long attributes;
	unsigned short name[36];
};

static unsigned long long le(const unsigned char *bytes, size_t count)
{
	unsigned long long n = 0;

	while (count--)
		n = n << 8 | bytes[count];
	return n;
}

static void hex_of(const unsigned char *bytes, size_t count, char *ret)
{
	for (size_t i = 0; i < count; i++) {
		ret[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
		ret[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
	}
	ret[2 * count] = '\0';
}

/* 0, -EIO, or -ENODATA when @device ends before. */
static int read_at(const char *device, void *ret, size_t size, long offset)
{
	int fd = sys_open(device, O_RDONLY | O_CLOEXEC, 0);
	long n = fd < 0 ? fd : sys_pread(fd, ret, size, offset);

	if (fd >= 0)
		sys_close(fd);
	if (n < 0)
		return n;
	return n == (long)size ? 0 : -ENODATA;
}

static unsigned long size_of(const char *device)
{
	int fd = sys_open(device, O_RDONLY | O_CLOEXEC, 0);
	unsigned long size = 0;

	if (fd < 0)
		return 0;
	if (sys_ioctl(fd, BLKGETSIZE64, &size))
		size = 0;
	sys_close(fd);
	return size;
}

/* ---- Partitions ---- */

/* RFC 4122's text order; a disk has the first three fields turned around. */
static void uuid_hex(const unsigned char *disk, char ret[33])
{
	static const unsigned char order[16] = {
		3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15,
	};
	unsigned char bytes[16];

	for (int i = 0; i < 16; i++)
		bytes[i] = disk[order[i]];
	hex_of(bytes, sizeof(bytes), ret);
}

static bool has_type(const struct gpt_entry *entry, const char *type)
{
	char hex[33];

	uuid_hex(entry->type, hex);
	return text_equal(hex, type);
}

static void check_size(const struct gpt_entry *entry, const char *device)
{
	if (entry->last < entry->first ||
	    size_of(device) != (entry->last - entry->first + 1) * SECTOR)
		fail("partition table: the image is cut off; copy it again");
}

/* The kernel has checked the table's checksums, or there were no partitions. */
static void read_table(struct gpt_entry entries[3])
{
	unsigned char header[SECTOR];

	if (!size_of(IMAGE_DISK))
		fail("partition table: there is no disk; give an image to rkt-io-run");
	if (read_at(IMAGE_DISK, header, SECTOR, SECTOR) ||
	    read_at(IMAGE_DISK, entries, 3 * ENTRY_BYTES, 2 * SECTOR) ||
	    !text_after((char *)header, "EFI PART"))
		fail("partition table: there is none; the image is not a sealed one");
	if (le(header + 32, 8) != size_of(IMAGE_DISK) / SECTOR - 1)
		fail("partition table: the image is cut off, or longer than it was made;"
		     " copy it again");
	if (!size_of(IMAGE_ROOT))
		fail("partition table: damaged; rkt-io-disk verify tells more");
}

static void check_partitions(const char *root_hash, struct image *ret)
{
	struct gpt_entry entries[3];
	char found[65];

	read_table(entries);
	/* The Discoverable Partitions Specification's types for x86-64. */
	if (!has_type(&entries[0], "4f68bce3e8cd4db196e7fbcaf984b709") ||
	    !has_type(&entries[1], "2c7357edebd246d9aec123d437ec2bf5"))
		fail("partition table: not root and root-verity of x86-64;"
		     " rkt-io-disk create --sign makes a sealed image");
	uuid_hex(entries[0].uuid, found);
	uuid_hex(entries[1].uuid, found + 32);
	if (!text_equal(found, root_hash))
		fail("root hash: the image is ", found, ", the configuration asks for ",
		     root_hash, "; it is another one, perhaps older");
	check_size(&entries[0], IMAGE_ROOT);
	check_size(&entries[1], IMAGE_VERITY);
	if (!has_type(&entries[2], "41092b059fc84523994f2def0408b176"))
		fail("signature: the image is not signed; rkt-io-disk sign does it");
	check_size(&entries[2], IMAGE_SIGNATURE);
	ret->data_blocks = size_of(IMAGE_ROOT) / IMAGE_BLOCK;
}

/* ---- The signature's document ---- */

static void decode_signature(const char *document, struct image *ret)
{
	const char *text = json_get(document, "signature");
	long n = -1;
	size_t len = 0;

	if (text && *text == '"') {
		while (text[len + 1] != '"' && text[len + 1] != '\\')
			len++;
		n = base64_decode(text + 1, len, ret->signature, sizeof(ret->signature));
	}
	if (n <= 0 || !pkcs7_has_one_form(ret->signature, n))
		fail("signature: the image's is not base64 of PKCS#7 as rkt-io-disk writes it;"
		     " sign it again");
	ret->signature_bytes = n;
}

static void read_signature(const char *fingerprint, struct image *ret)
{
	char text[SIGNATURE_PARTITION_BYTES];
	size_t len;

	if (read_at(IMAGE_SIGNATURE, text, sizeof(text), 0))
		fail("signature: the image's cannot be read; copy the image again");
	len = json_check(text, sizeof(text));
	if (!len || json_count(text) != 3)
		fail("signature: the image's document is damaged; sign it again");
	for (size_t i = len; i < sizeof(text); i++)
		if (text[i])
			fail("signature: bytes that mean nothing follow the image's document;"
			     " sign it again");
	if (!json_is(json_get(text, "rootHash"), ret->root_hash))
		fail("signature: it is over another root hash than this image's");
	if (!json_is(json_get(text, "certificateFingerprint"), fingerprint))
		fail("signature: the image is signed by another certificate than the owner's");
	decode_signature(text, ret);
}

/* ---- The verity superblock: cryptsetup's lib/verity/verity.c ---- */

static bool all_zero(const unsigned char *bytes, size_t from, size_t to)
{
	while (from < to)
		if (bytes[from++])
			return false;
	return true;
}

static void read_superblock(struct image *ret)
{
	unsigned char block[SECTOR];

	if (read_at(IMAGE_VERITY, block, sizeof(block), 0))
		fail("verity superblock: cannot be read; copy the image again");
	/* version and type 1, SHA-256, blocks of 4096 bytes, a salt of 32 */
	if (!text_after((char *)block, "verity") || block[6] || block[7] ||
	    le(block + 8, 4) != 1 || le(block + 12, 4) != 1 ||
	    !text_equal((char *)block + 32, "sha256") ||
	    le(block + 64, 4) != IMAGE_BLOCK || le(block + 68, 4) != IMAGE_BLOCK ||
	    le(block + 80, 2) != 32 || !all_zero(block, 38, 64) ||
	    !all_zero(block, 82, 88) || !all_zero(block, 120, sizeof(block)))
		fail("verity superblock: damaged, or of another kind than rkt-io-disk's");
	if (le(block + 72, 8) != ret->data_blocks)
		fail("verity superblock: it covers another size than that of the root partition");
	hex_of(block + 88, 32, ret->salt);
}

void image_read(const char *root_hash, const char *fingerprint, struct image *ret)
{
	ret->root_hash[0] = '\0';
	if (!text_append(ret->root_hash, sizeof(ret->root_hash), root_hash))
		fail("configuration: root.hash is malformed");
	check_partitions(root_hash, ret);
	read_signature(fingerprint, ret);
	read_superblock(ret);
}

/* ---- LUKS2 (On-Disk Format Specification 1.1) ---- */

static bool is_luks(const unsigned char *header)
{
	static const unsigned char magic[6] = { 'L', 'U', 'K', 'S', 0xba, 0xbe };

	for (size_t i = 0; i < sizeof(magic); i++)
		if (header[i] != magic[i])
			return false;
	return true;
}

/* Also the first read through dm-verity: the whole way down its tree. */
static void read_verified(const char *device, void *ret, size_t size, long offset)
{
	int err = read_at(device, ret, size, offset);

	if (err)
		fail("verity: the image's first blocks are not what its root hash vouches for: ",
		     errno_text(-err) ?: "cut off", "; it was changed or is damaged");
}

bool image_is_luks(const char *device)
{
	unsigned char block[IMAGE_BLOCK];

	read_verified(device, block, sizeof(block), 0);
	return is_luks(block);
}

static void check_segment(const char *segments)
{
	const char *segment = json_get(segments, "0");

	if (json_count(segments) != 1 ||
	    !json_is(json_get(segment, "type"), "crypt") ||
	    !json_is(json_get(segment, "encryption"), "aes-xts-plain64") ||
	    !json_is(json_get(segment, "size"), "dynamic") ||
	    !json_is(json_get(segment, "iv_tweak"), "0") ||
	    json_get(segment, "integrity") ||
	    json_number(json_get(segment, "sector_size")) != IMAGE_BLOCK ||
	    json_number(json_get(segment, "offset")) != IMAGE_LUKS_OFFSET)
		fail("LUKS2: not a volume as rkt-io-disk makes it: aes-xts-plain64,"
		     " sectors of 4096 bytes, 1 MiB into the partition");
}

void image_check_luks(const char *device)
{
	unsigned char header[LUKS_HEADER_BYTES];
	const char *json = (char *)header + LUKS_BINARY_BYTES;
	long at;

	read_verified(device, header, sizeof(header), 0);
	if (!is_luks(header) || header[6] || header[7] != 2)
		fail("LUKS2: the configuration says that the image is encrypted,"
		     " and it has no LUKS2 header");
	if (!json_check(json, sizeof(header) - LUKS_BINARY_BYTES))
		fail("LUKS2: the header's metadata is damaged");
	check_segment(json_get(json, "segments"));
	/* All before the payload: what is changed there is met here, not later. */
	for (at = sizeof(header); at < IMAGE_LUKS_OFFSET; at += sizeof(header))
		read_verified(device, header, sizeof(header), at);
}
