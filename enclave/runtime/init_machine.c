// SPDX-License-Identifier: GPL-2.0-only
/*
 * What only the library OS has: the host's descriptors as devices, and a
 * restart that ends the enclave. (See drivers/tty/rktio for the devices.)
 */
#include "init.h"
#include "init_sys.h"

#include <asm/errno.h>
#include <asm/ioctls.h>
#include <linux/fcntl.h>
#include <linux/reboot.h>

/* TTY_RESIZE of drivers/tty/rktio/terminal.c. */
#define RKTIO_TTY_RESIZE _IO('r', 1)

__attribute__((noreturn))
void machine_end(int status)
{
	char digits[24], command[32] = "exit=";

	text_append(command, sizeof(command), number_text(status, digits));
	/* Or the kernel would announce the restart on standard error. */
	setting_write("/proc/sys/kernel/printk", "0");
	sys4(__NR_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
	     LINUX_REBOOT_CMD_RESTART2, command);
	sys_exit(status);
}

int machine_error_fd(void)
{
	int fd = sys_open("/dev/hosterr", O_WRONLY | O_CLOEXEC, 0);

	if (fd < 0)
		fd = sys_open("/dev/console", O_WRONLY | O_NOCTTY | O_CLOEXEC, 0);
	return fd < 0 ? 2 : fd;
}

int machine_mount(const char *source, const char *target, const char *fstype,
		  unsigned long flags, const char *data)
{
	return sys_mount(source, target, fstype, flags, data);
}

static int open_as(int fd, const char *path, int flags)
{
	int opened = sys_open(path, flags, 0);

	if (opened < 0 || opened == fd)
		return opened;
	fd = sys3(__NR_dup3, opened, fd, 0);
	sys_close(opened);
	return fd;
}

/* Standard error is a device of its own unless it is the same terminal. */
static int terminal_stdio(void)
{
	int err = open_as(0, "/dev/hvc0", O_RDWR);

	if (err < 0)
		return err;
	err = sys_ioctl(0, TIOCSCTTY, NULL);
	if (err < 0)
		return err;
	sys3(__NR_dup3, 0, 1, 0);
	err = open_as(2, "/dev/hosterr", O_WRONLY);
	if (err < 0)
		err = sys3(__NR_dup3, 0, 2, 0);
	return err < 0 ? err : 0;
}

int machine_stdio(bool tty)
{
	int err;

	if (tty)
		return terminal_stdio();
	err = open_as(0, "/dev/hostin", O_RDONLY);
	if (err >= 0)
		err = open_as(1, "/dev/hostout", O_WRONLY);
	if (err >= 0)
		err = open_as(2, "/dev/hosterr", O_WRONLY);
	return err < 0 ? err : 0;
}

void machine_resize(void)
{
	int fd = sys_open("/dev/hvc0", O_RDWR | O_NOCTTY | O_CLOEXEC, 0);

	if (fd < 0)
		return;
	sys_ioctl(fd, RKTIO_TTY_RESIZE, NULL);
	sys_close(fd);
}
