// SPDX-License-Identifier: GPL-2.0-only
/*
 * Data disks. From below: dm-integrity keeps a tag for each block and a
 * journal, so that both change together; dm-crypt encrypts and makes and
 * checks the tags (AEGIS-128, a random nonce per write, the block's number
 * authenticated); ext4. docs/data-disks.md says why.
 *
 * Whether a disk is empty is not the host's to say: a disk is formatted only
 * where its key came by the name data-NAME-new, or an unsealed launch record
 * says so.
 */
#include "init_data.h"
#include "init.h"
#include "init_dm.h"
#include "init_ext4.h"
#include "init_keys.h"
#include "init_sys.h"

#include <asm/errno.h>
#include <linux/fcntl.h>
#include <linux/keyctl.h>
#include <linux/mount.h>

#define DISK_KEY "rkt-io:data"

enum {
	NAME_BYTES = 32,
	/* The owner's key of a disk: its first bytes encrypt, its last ones authenticate. */
	KEY_BYTES = 64, CIPHER_KEY_BYTES = 16, JOURNAL_KEY_BYTES = 32,
	BLOCK_SECTORS = 8,
};

struct disk {
	char name[NAME_BYTES];
	char device[16];
	const char *mount;
	bool format;
	unsigned char key[KEY_BYTES];
	char integrity[DM_NAME_BYTES];	/* names of the two devices */
	char crypt[DM_NAME_BYTES];
	char path[DM_PATH_BYTES];	/* of the upper one */
	unsigned long sectors;
	bool made;			/* formatted just now */
};

static struct {
	struct disk all[LAUNCH_DISKS_MAX];
	size_t count;
} disks;

/* ---- What the record says ---- */

static void find_device(struct disk *d)
{
	const char *value = NULL;
	const char *rest;
	char name[NAME_BYTES], device[8];

	while ((value = record_next("data_device", value))) {
		rest = value;
		if (!text_field(&rest, ':', name, sizeof(name)) ||
		    !text_field(&rest, ':', device, sizeof(device)))
			fail("malformed data_device in the launch record: ", value);
		if (!text_equal(name, d->name))
			continue;
		text_append(d->device, sizeof(d->device), "/dev/");
		text_append(d->device, sizeof(d->device), device);
		return;
	}
	fail("data disk ", d->name, ": the host gives no file for it; add --data ",
	     d->name, "=FILE");
}

static void find_key(struct disk *d)
{
	char name[64] = "data-";

	text_append(name, sizeof(name), d->name);
	if (keys_take(name, d->key, sizeof(d->key)))
		return;
	text_append(name, sizeof(name), "-new");
	if (!keys_take(name, d->key, sizeof(d->key)))
		fail("data disk ", d->name, ": no key of 64 bytes for it; have the owner's keys hold data-",
		     d->name, ", or ", name, " to format it");
	d->format = true;
}

static void parse(const char *value, struct disk *d)
{
	const char *rest = value;
	char mode[8];

	memset(d, 0, sizeof(*d));
	if (!text_field(&rest, ':', d->name, sizeof(d->name)) ||
	    !text_field(&rest, ':', mode, sizeof(mode)) || *rest != '/')
		fail("malformed data in the launch record: ", value);
	d->mount = rest;
	d->format = text_equal(mode, "format");
	text_append(d->integrity, sizeof(d->integrity), "tags-");
	text_append(d->integrity, sizeof(d->integrity), d->name);
	text_append(d->crypt, sizeof(d->crypt), "data-");
	text_append(d->crypt, sizeof(d->crypt), d->name);
}

/* ---- dm-integrity: its superblock is the disk's first block ---- */

struct superblock {
	char magic[8];
	unsigned char version;
	unsigned char log2_interleave_sectors;
	unsigned short tag_bytes;
	unsigned int journal_sections;
	unsigned long sectors;		/* for the device above */
	unsigned char rest[4096 - 24];
};

static void read_superblock(const struct disk *d, struct superblock *ret)
{
	int fd = sys_open(d->device, O_RDONLY | O_CLOEXEC, 0);
	long n;

	if (fd < 0)
		fail("data disk ", d->name, ": no disk ", d->device,
		     "; start it with rkt-io-run");
	n = sys_pread(fd, ret, sizeof(*ret), 0);
	sys_close(fd);
	if (n != sizeof(*ret))
		fail("data disk ", d->name, ": it can't be read, or is too small");
}

static bool is_blank(const struct superblock *sb)
{
	const unsigned char *bytes = (const void *)sb;

	for (size_t i = 0; i < sizeof(*sb); i++)
		if (bytes[i])
			return false;
	return true;
}

static bool has_magic(const struct superblock *sb)
{
	static const char magic[8] = "integrt";

	for (size_t i = 0; i < sizeof(magic); i++)
		if (sb->magic[i] != magic[i])
			return false;
	return true;
}

static void append_hex(char *text, size_t size, const unsigned char *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	char byte[3] = "";

	for (size_t i = 0; i < len; i++) {
		byte[0] = digits[bytes[i] >> 4];
		byte[1] = digits[bytes[i] & 15];
		text_append(text, size, byte);
	}
	keys_wipe(byte, sizeof(byte));
}

static int create_integrity(const struct disk *d, unsigned long sectors,
			    char path[DM_PATH_BYTES])
{
	char table[DM_TABLE_BYTES] = "";
	int err;

	text_append(table, sizeof(table), d->device);
	text_append(table, sizeof(table),
		    " 0 32 J 3 block_size:4096 fix_hmac journal_mac:hmac(sha256):");
	append_hex(table, sizeof(table), d->key + KEY_BYTES - JOURNAL_KEY_BYTES,
		   JOURNAL_KEY_BYTES);
	err = dm_create(d->integrity, "integrity", sectors, table, false, path);
	keys_wipe(table, sizeof(table));
	return err;
}

/* dm-integrity formats a disk whose first block is zero. */
static void format_integrity(const struct disk *d)
{
	char path[DM_PATH_BYTES];
	int err = create_integrity(d, BLOCK_SECTORS, path);

	if (err)
		fail("data disk ", d->name, ": it can't be formatted: ",
		     err == -EINVAL ? "too small" : errno_text(-err) ?: "refused by the kernel");
	dm_remove(d->integrity);
}

static void open_integrity(struct disk *d, char path[DM_PATH_BYTES])
{
	static struct superblock sb;
	int err;

	read_superblock(d, &sb);
	if (is_blank(&sb)) {
		if (!d->format)
			fail("data disk ", d->name, ": it is blank, where data should be;"
			     " give the right file, or have it formatted (docs/data-disks.md)");
		format_integrity(d);
		read_superblock(d, &sb);
	}
	if (!has_magic(&sb))
		fail("data disk ", d->name, ": it is no data disk of rkt-io; give the right file");
	d->sectors = sb.sectors;
	err = create_integrity(d, d->sectors, path);
	if (err)
		fail("data disk ", d->name, ": it can't be opened: its key is wrong, or it was changed");
}

/* ---- dm-crypt ---- */

static int create_crypt(struct disk *d, const char *below)
{
	char table[DM_TABLE_BYTES] = "capi:aegis128-random :16:logon:" DISK_KEY " 0 ";
	int key, err;

	text_append(table, sizeof(table), below);
	text_append(table, sizeof(table),
		    " 0 4 integrity:32:aead sector_size:4096 no_read_workqueue no_write_workqueue");
	key = sys5(__NR_add_key, "logon", DISK_KEY, d->key, CIPHER_KEY_BYTES,
		   KEY_SPEC_PROCESS_KEYRING);
	if (key < 0)
		return key;
	err = dm_create(d->crypt, "crypt", d->sectors, table, false, d->path);
	sys2(__NR_keyctl, KEYCTL_REVOKE, key);
	sys3(__NR_keyctl, KEYCTL_UNLINK, key, KEY_SPEC_PROCESS_KEYRING);
	return err;
}

static void open_disk(struct disk *d)
{
	char below[DM_PATH_BYTES];
	int err;

	find_device(d);
	find_key(d);
	open_integrity(d, below);
	err = create_crypt(d, below);
	keys_wipe(d->key, sizeof(d->key));
	if (err)
		fail("data disk ", d->name, ": it can't be decrypted: ",
		     errno_text(-err) ?: "refused by the kernel");
}

/* ---- ext4 ---- */

static void mount_ext4(const struct disk *d, const char *target, unsigned long flags)
{
	int err = machine_mount(d->path, target, "ext4", MS_SILENT | flags, NULL);

	if (err == -EILSEQ || err == -EIO || err == -EINVAL)
		fail("data disk ", d->name, ": its first blocks are not authentic:"
		     " its key is wrong, it was changed, or it was never formatted to the end");
	if (err)
		fail("data disk ", d->name, ": it can't be mounted: ",
		     errno_text(-err) ?: "unknown error");
}

void data_open(void)
{
	const char *value = NULL;

	if (!record_get("data"))
		return;
	kernel_messages(false);
	while ((value = record_next("data", value))) {
		struct disk *d = &disks.all[disks.count];

		if (disks.count == LAUNCH_DISKS_MAX)
			fail("more data disks than the enclave can have");
		parse(value, d);
		open_disk(d);
		d->made = d->format && ext4_make(d->path, d->sectors);
		disks.count++;
	}
	ext4_done();
	kernel_messages(true);
}

static void mount_on(const struct disk *d, const char *target, unsigned long flags)
{
	mount_ext4(d, target, flags);
	if (d->made)
		ext4_grow(target, d->sectors);
	say("data disk ", d->name, " on ", d->mount, d->made ? ": formatted" : "",
	    "; its freshness is not checked: an old copy of the whole disk would be taken for it", NULL);
}

static bool is_upper(const struct disk *d)
{
	return text_equal(d->mount, "/");
}

static const struct disk *find_upper(void)
{
	for (size_t i = 0; i < disks.count; i++)
		if (is_upper(&disks.all[i]))
			return &disks.all[i];
	return NULL;
}

bool data_has_upper(void)
{
	return find_upper();
}

void data_mount_upper(const char *target)
{
	kernel_messages(false);
	/* Devices and set-user-id programs of the image are at home here. */
	mount_on(find_upper(), target, 0);
	kernel_messages(true);
}

static void mount_disk(const struct disk *d)
{
	make_directories(d->mount);
	if (sys_chdir(d->mount))
		fail("data disk ", d->name, ": no directory ", d->mount,
		     " in the image to mount on; create it in the image");
	sys_chdir("/");
	mount_on(d, d->mount, MS_NODEV | MS_NOSUID);
}

void data_mount(void)
{
	if (!disks.count)
		return;
	kernel_messages(false);
	for (size_t i = 0; i < disks.count; i++)
		if (!is_upper(&disks.all[i]))
			mount_disk(&disks.all[i]);
	kernel_messages(true);
}

void data_unmount(void)
{
	while (disks.count) {
		const struct disk *d = &disks.all[--disks.count];

		if (is_upper(d))
			continue;	/* can't come off: synced with the rest */
		if (sys_umount(d->mount, 0))
			sys_mount(NULL, d->mount, NULL, MS_REMOUNT | MS_RDONLY, NULL);
		dm_remove(d->crypt);
		dm_remove(d->integrity);
	}
}
