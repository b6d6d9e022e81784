// SPDX-License-Identifier: GPL-2.0-only
/* The launch record's values for data disks: their form; PID 1 acts on them. */
#include "launch_value.h"

#include <string.h>

enum { NAME_MAX_BYTES = 31, PATH_MAX_BYTES = 4000 };

/* What follows NAME: of a data disk, or NULL where there is no such name. */
static const char *after_name(const char *value)
{
	size_t len = strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return len && len <= NAME_MAX_BYTES && value[len] == ':' ? value + len + 1 : NULL;
}

int rt_launch_data_device(struct rt_launch_check *p, const char *value)
{
	const char *device = after_name(value);

	if (!device || strncmp(device, "vd", 2) || device[2] < 'a' ||
	    device[2] >= 'a' + LAUNCH_DISKS_MAX || device[3])
		return rt_launch_refuse(p, "'%.64s' is not NAME:DEV", value);
	return 0;
}

int rt_launch_data(struct rt_launch_check *p, const char *value)
{
	const char *mode = after_name(value);
	const char *path = mode ? strchr(mode, ':') : NULL;

	if (!path || (strncmp(mode, "open:", 5) && strncmp(mode, "format:", 7)) ||
	    path[1] != '/' || strchr(path + 1, ':') || strlen(path) > PATH_MAX_BYTES)
		return rt_launch_refuse(p, "'%.64s' is not NAME:open|format:PATH", value);
	return 0;
}
