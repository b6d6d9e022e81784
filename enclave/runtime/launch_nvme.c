// SPDX-License-Identifier: GPL-2.0-only
/* The launch record's NVMe controllers: VFIO's descriptors, and the names of their disks. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "launch.h"
#include "launch_value.h"

/* 0000:BB:DD.F, as sysfs writes it. */
static bool valid_address(const char *text)
{
	static const char form[] = "xxxx:xx:xx.x";
	size_t i;

	for (i = 0; form[i] && text[i]; i++)
		if (form[i] == 'x' ? !strchr("0123456789abcdef", text[i]) : text[i] != form[i])
			return false;
	return !form[i] && !text[i];
}

static bool open_descriptor(const char *text, int *ret)
{
	uint64_t fd;

	if (!rt_launch_number(text, &fd) || fd < 3 || fd > INT32_MAX || fcntl((int)fd, F_GETFD) < 0)
		return false;
	*ret = (int)fd;
	return true;
}

int rt_launch_nvme(struct rt_launch_check *p, const char *value)
{
	char device[11] = "", container[11] = "", access[3] = "", address[16] = "";
	struct rt_launch_nvme *nvme;
	int end = 0;

	if (p->launch->nvme_count == RT_NVME_MAX)
		return rt_launch_refuse(p, "more than %d NVMe controllers", RT_NVME_MAX);
	nvme = &p->launch->nvme[p->launch->nvme_count];
	sscanf(value, "%10[0-9]:%10[0-9]:%2[rwo]:%15[0-9a-f:.]%n",
	       device, container, access, address, &end);
	nvme->readonly = !strcmp(access, "ro");
	if (!end || value[end] || !valid_address(address) ||
	    (!nvme->readonly && strcmp(access, "rw")))
		return rt_launch_refuse(p, "'%.64s' is not DEVICE:CONTAINER:rw|ro:ADDRESS", value);
	if (!open_descriptor(device, &nvme->device) ||
	    !open_descriptor(container, &nvme->container))
		return rt_launch_refuse(p, "'%.64s' names no open descriptors above 2", value);
	memcpy(nvme->address, address, sizeof(nvme->address));
	p->launch->nvme_count++;
	return 0;
}

bool rt_launch_nvme_name(const char *name)
{
	uint64_t namespace;

	return !strncmp(name, "nvme", 4) && name[4] >= '0' &&
	       name[4] < '0' + RT_NVME_MAX && name[5] == 'n' &&
	       rt_launch_number(name + 6, &namespace) && namespace;
}
