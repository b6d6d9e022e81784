// SPDX-License-Identifier: GPL-2.0-only
/*
 * From a sealed image to a root: dm-verity over the whole root partition, with
 * the owner's signature of its root hash; dm-crypt over that; ext4, read-only;
 * and, where the configuration says so, an overlay whose upper layer is memory.
 */
#include "init.h"
#include "init_config.h"
#include "init_data.h"
#include "init_dm.h"
#include "init_image.h"
#include "init_json.h"
#include "init_keys.h"
#include "init_overlay.h"
#include "init_sys.h"

#include <asm/errno.h>
#include <linux/fcntl.h>
#include <linux/keyctl.h>
#include <linux/mount.h>

#define SIGNATURE_KEY "rkt-io:root-signature"
#define VOLUME_KEY "rkt-io:root"
#define CRYPT "root"

enum { SECTOR = 512 };

/* Keys of the kernel, for the ioctls that follow only. */
static int key_add(const char *type, const char *name, const void *data, size_t size)
{
	return sys5(__NR_add_key, type, name, data, size, KEY_SPEC_PROCESS_KEYRING);
}

static void key_forget(int key)
{
	sys2(__NR_keyctl, KEYCTL_REVOKE, key);
	sys3(__NR_keyctl, KEYCTL_UNLINK, key, KEY_SPEC_PROCESS_KEYRING);
}

/* ---- dm-verity ---- */

__attribute__((noreturn))
static void refuse_verity(int err)
{
	switch (-err) {
	case ENOKEY:
		fail("signature: the image is signed by another key than the owner's");
	case EKEYREJECTED:
	case EBADMSG:
	case EINVAL:
	case ENOPKG:
		fail("signature: not the owner's over this image's root hash");
	default:
		fail("verity: cannot be set up: ", errno_text(-err) ?: "refused by the kernel");
	}
}

static void open_verity(const struct image *image, char path[DM_PATH_BYTES])
{
	char table[DM_TABLE_BYTES] = "1 " IMAGE_ROOT " " IMAGE_VERITY " 4096 4096 ";
	char digits[24];
	int key, err;

	text_append(table, sizeof(table), number_text(image->data_blocks, digits));
	text_append(table, sizeof(table), " 1 sha256 ");
	text_append(table, sizeof(table), image->root_hash);
	text_append(table, sizeof(table), " ");
	text_append(table, sizeof(table), image->salt);
	text_append(table, sizeof(table), " 2 root_hash_sig_key_desc " SIGNATURE_KEY);
	key = key_add("user", SIGNATURE_KEY, image->signature, image->signature_bytes);
	err = key < 0 ? key :
	      dm_create("root-verity", "verity", image->data_blocks * (IMAGE_BLOCK / SECTOR),
			table, true, path);
	if (key >= 0)
		key_forget(key);
	if (err)
		refuse_verity(err);
}

/* ---- dm-crypt ---- */

static bool has_ext4(const char *device)
{
	unsigned char magic[2] = { 0 };
	int fd = sys_open(device, O_RDONLY | O_CLOEXEC, 0);
	long n = sys_pread(fd, magic, sizeof(magic), 1024 + 0x38);

	sys_close(fd);
	return n == sizeof(magic) && magic[0] == 0x53 && magic[1] == 0xef;
}

static int take_volume_key(void)
{
	unsigned char key[IMAGE_KEY_BYTES];
	int ret;

	if (!keys_take("root", key, sizeof(key)))
		fail(keys_has("root") ?
		     "volume key: it does not have 64 bytes" :
		     "volume key: the image is encrypted and there is no key root for it;"
		     " start with --keys URL");
	ret = key_add("logon", VOLUME_KEY, key, sizeof(key));
	keys_wipe(key, sizeof(key));
	return ret;
}

/* The table names the key, which so is in no table, and dm-crypt keeps no copy. */
static void open_crypt(const struct image *image, char path[DM_PATH_BYTES])
{
	char table[DM_TABLE_BYTES] = "aes-xts-plain64 :64:logon:" VOLUME_KEY " 0 ";
	int key, err;

	image_check_luks(path);
	text_append(table, sizeof(table), path);
	text_append(table, sizeof(table), " 2048 1 sector_size:4096");
	key = take_volume_key();
	err = key < 0 ? key :
	      dm_create(CRYPT, "crypt",
			image->data_blocks * (IMAGE_BLOCK / SECTOR) - IMAGE_LUKS_OFFSET / SECTOR,
			table, true, path);
	if (key >= 0)
		key_forget(key);
	if (err)
		fail("LUKS2: the volume cannot be opened: ",
		     errno_text(-err) ?: "refused by the kernel");
	if (!has_ext4(path))
		fail("volume key: it is not the key of this image, or that holds no ext4");
}

/* ---- The root ---- */

static void mount_image(const char *device, const char *target)
{
	int err = machine_mount(device, target, "ext4", MS_RDONLY | MS_SILENT, NULL);

	if (err == -EIO)
		fail("verity: the file system's first blocks are not what the image's"
		     " root hash vouches for; it was changed or is damaged");
	if (err)
		fail("the sealed image's ext4 cannot be mounted: ",
		     errno_text(-err) ?: "unknown error");
}

/* Returns whether / can be written to. */
static bool mount_root(const char *device, const char *root, const char *target)
{
	char bytes[24];

	if (json_is(json_get(root, "writes"), "refused")) {
		if (data_has_upper())
			fail("configuration: root.writes is refused, but a data disk is for /");
		mount_image(device, target);
		say("/ is sealed, and writes to it are refused", NULL);
		return false;
	}
	if (!json_is(json_get(root, "writes"), "memory") ||
	    !json_text(json_get(root, "writes-size"), bytes, sizeof(bytes)) ||
	    json_number(json_get(root, "writes-size")) < IMAGE_BLOCK)	/* 0: no bound */
		fail("configuration: root.writes is malformed, or root.writes-size too small");
	sys_mkdir(OVERLAY_LOWER, 0700);
	mount_image(device, OVERLAY_LOWER);
	overlay_mount(bytes, target);
	if (data_has_upper()) {
		say("/ is sealed; writes to it go to a data disk", NULL);
		return true;
	}
	say("/ is sealed; writes to it go to private memory, at most ", bytes,
	    " bytes, and are lost at the end", NULL);
	return true;
}

bool sealed_mount(const char *target)
{
	static struct image image;
	const char *root = json_get(config_document(), "root");
	char device[DM_PATH_BYTES], hash[IMAGE_HASH_DIGITS + 1];
	int encrypted = json_bool(json_get(root, "encrypted"));
	bool writable;

	if (!root || !config_fingerprint() || encrypted < 0 ||
	    !json_text(json_get(root, "hash"), hash, sizeof(hash)))
		fail("configuration: [root] is malformed");
	kernel_messages(false);
	image_read(hash, config_fingerprint(), &image);
	open_verity(&image, device);
	if (encrypted)
		open_crypt(&image, device);
	else if (image_is_luks(device))
		fail("configuration: root.encrypted is false, and the image is encrypted");
	writable = mount_root(device, root, target);
	kernel_messages(true);
	return writable;
}

void sealed_close(void)
{
	if (config_document())
		dm_crypt_wipe(CRYPT);
}
