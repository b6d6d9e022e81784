// SPDX-License-Identifier: Apache-2.0
/*
 * PID 1's machine in a plain namespace: the disk vda is the directory /image,
 * /kernel stands for what the library kernel has in /proc before the root is
 * there, standard descriptors are those it was started with, the end is an exit.
 */
#include "init.h"
#include "init_sys.h"

#include <asm/errno.h>
#include <linux/mount.h>

__attribute__((noreturn))
void machine_end(int status)
{
	sys_exit(status);
}

int machine_error_fd(void)
{
	return 2;
}

int machine_mount(const char *source, const char *target, const char *fstype,
		  unsigned long flags, const char *data)
{
	int err;

	if (text_equal(fstype, "devtmpfs"))
		return sys_mount("dev", target, "tmpfs", flags, NULL);
	if (text_equal(fstype, "proc") &&
	    !sys_mount("/kernel", target, NULL, MS_BIND, NULL))
		return 0;
	if (!text_after(source, "/dev/"))
		return sys_mount(source, target, fstype, flags, data);
	if (!text_equal(source, "/dev/vda"))
		return -ENOENT;
	err = sys_mount("/image", target, NULL, MS_BIND, NULL);
	if (!err && flags & MS_RDONLY)
		err = sys_mount(NULL, target, NULL,
				MS_REMOUNT | MS_BIND | MS_RDONLY, NULL);
	return err;
}

int machine_stdio(bool tty)
{
	(void)tty;
	return 0;
}

void machine_resize(void)
{
}
