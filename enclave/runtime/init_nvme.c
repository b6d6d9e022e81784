// SPDX-License-Identifier: GPL-2.0-only
/* Which disk is which namespace: the kernel numbers them as it finds them. */
#include "init.h"
#include "init_sys.h"

#include <linux/fcntl.h>

enum { DISKS_MAX = 64 };

/* Whether the disk /sys/block/@name is the namespace @id. */
static bool is_namespace(const char *name, const char *id)
{
	char path[64] = "/sys/block/", found[24];
	long n;
	int fd;

	text_append(path, sizeof(path), name);
	text_append(path, sizeof(path), "/nsid");
	fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return false;
	n = sys3(__NR_read, fd, found, sizeof(found) - 1);
	sys_close(fd);
	if (n < 1)
		return false;
	found[n - 1] = '\0';	/* its newline */
	return text_equal(found, id);
}

void nvme_find(char *device, size_t size)
{
	const char *given = text_after(device, "/dev/nvme");
	char controller[8], name[32], number[24];
	const char *rest = given;

	if (!given || !text_field(&rest, 'n', controller, sizeof(controller)))
		return;
	for (unsigned long i = 1; i <= DISKS_MAX; i++) {
		name[0] = '\0';
		text_append(name, sizeof(name), "nvme");
		text_append(name, sizeof(name), controller);
		text_append(name, sizeof(name), "n");
		text_append(name, sizeof(name), number_text(i, number));
		if (!is_namespace(name, rest))
			continue;
		device[0] = '\0';
		text_append(device, size, "/dev/");
		text_append(device, size, name);
		return;
	}
	fail("NVMe controller ", controller, " has no namespace ", rest,
	     "; see `rkt-io devices`, or choose another with ns=");
}
