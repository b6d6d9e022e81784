// SPDX-License-Identifier: GPL-2.0-only
/* A root whose image stays as it is: writes go to a layer over it. */
#include "init_overlay.h"
#include "init.h"
#include "init_data.h"
#include "init_sys.h"

#include <asm/errno.h>
#include <linux/mount.h>

#define UPPER "/writes"

static void mount_memory(const char *bytes)
{
	char options[64] = "mode=755,size=";
	int err;

	text_append(options, sizeof(options), bytes);
	err = machine_mount("tmpfs", UPPER, "tmpfs", 0, options);
	if (err)
		fail("the memory for writes cannot be mounted: ",
		     errno_text(-err) ?: "unknown error");
}

/* A data disk has it from its last use. */
static void make_directory(const char *path, int mode)
{
	int err = sys_mkdir(path, mode);

	if (err && err != -EEXIST)
		fail("the layer for writes cannot be used: ",
		     errno_text(-err) ?: "unknown error");
}

void overlay_mount(const char *bytes, const char *target)
{
	int err;

	sys_mkdir(UPPER, 0700);
	if (data_has_upper())
		data_mount_upper(UPPER);
	else
		mount_memory(bytes);
	make_directory(UPPER "/upper", 0755);
	make_directory(UPPER "/work", 0700);
	err = machine_mount("overlay", target, "overlay", MS_SILENT,
			    "lowerdir=" OVERLAY_LOWER ",upperdir=" UPPER "/upper,workdir=" UPPER "/work");
	if (err)
		fail("the layer for writes cannot be laid over the image: ",
		     errno_text(-err) ?: "unknown error");
}
