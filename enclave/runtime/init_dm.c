// SPDX-License-Identifier: GPL-2.0-only
/* Device-mapper by its ioctls. */
#include "init.h"
#include "init_dm.h"
#include "init_keys.h"
#include "init_sys.h"

#include <asm/errno.h>
#include <linux/fcntl.h>
#include <linux/ioctl.h>
#include <linux/dm-ioctl.h>

struct request {
	struct dm_ioctl header;
	struct dm_target_spec target;
	char table[DM_TABLE_BYTES];
};

/* A request of @size bytes in all begins with @header. */
static void header_begin(struct dm_ioctl *header, size_t size, const char *name,
			 unsigned int flags)
{
	memset(header, 0, size);
	header->version[0] = DM_VERSION_MAJOR;
	header->data_size = size;
	header->data_start = sizeof(*header);
	header->flags = flags;
	text_append(header->name, sizeof(header->name), name);
}

static void request_begin(struct request *r, const char *name, unsigned int flags)
{
	header_begin(&r->header, sizeof(*r), name, flags);
}

/* The kernel's huge encoding: 12 bits of minor number below, 20 above. */
static unsigned int minor_of(unsigned long long dev)
{
	return (dev & 0xff) | (dev >> 12 & 0xfff00);
}

static int load(int control, struct request *r, const char *name,
		const char *target, unsigned long sectors, const char *table,
		bool readonly)
{
	int err;

	request_begin(r, name, readonly ? DM_READONLY_FLAG : 0);
	r->header.target_count = 1;
	r->target.length = sectors;
	text_append(r->target.target_type, sizeof(r->target.target_type), target);
	if (!text_append(r->table, sizeof(r->table), table))
		return -E2BIG;
	err = sys_ioctl(control, DM_TABLE_LOAD, r);
	keys_wipe(r->table, sizeof(r->table));	/* it may hold one */
	return err;
}

int dm_create(const char *name, const char *target, unsigned long sectors,
	      const char *table, bool readonly, char path[DM_PATH_BYTES])
{
	int control = sys_open("/dev/mapper/control", O_RDWR | O_CLOEXEC, 0);
	char digits[24];
	struct request r;
	int err;

	if (control < 0)
		return control;
	request_begin(&r, name, 0);
	err = sys_ioctl(control, DM_DEV_CREATE, &r);
	if (err)
		goto out_close;
	path[0] = '\0';
	text_append(path, DM_PATH_BYTES, "/dev/dm-");
	text_append(path, DM_PATH_BYTES, number_text(minor_of(r.header.dev), digits));
	err = load(control, &r, name, target, sectors, table, readonly);
	if (err)
		goto out_remove;
	request_begin(&r, name, 0);	/* without DM_SUSPEND_FLAG: resume */
	err = sys_ioctl(control, DM_DEV_SUSPEND, &r);
	if (!err)
		goto out_close;
out_remove:
	request_begin(&r, name, 0);
	sys_ioctl(control, DM_DEV_REMOVE, &r);
out_close:
	sys_close(control);
	return err;
}

void dm_crypt_wipe(const char *name)
{
	int control = sys_open("/dev/mapper/control", O_RDWR | O_CLOEXEC, 0);
	struct {
		struct dm_ioctl header;
		struct dm_target_msg target;
		char text[16];
	} message;
	struct request r;

	if (control < 0)
		return;
	/* dm-crypt changes keys while it is suspended only. */
	request_begin(&r, name, DM_SUSPEND_FLAG | DM_SKIP_LOCKFS_FLAG);
	if (sys_ioctl(control, DM_DEV_SUSPEND, &r))
		goto out_close;
	header_begin(&message.header, sizeof(message), name, 0);
	text_append(message.text, sizeof(message.text), "key wipe");
	sys_ioctl(control, DM_TARGET_MSG, &message);
out_close:
	sys_close(control);
}

int dm_remove(const char *name)
{
	int control = sys_open("/dev/mapper/control", O_RDWR | O_CLOEXEC, 0);
	struct request r;
	int err;

	if (control < 0)
		return control;
	request_begin(&r, name, 0);
	err = sys_ioctl(control, DM_DEV_REMOVE, &r);
	sys_close(control);
	return err;
}
