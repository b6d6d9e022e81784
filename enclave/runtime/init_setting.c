// SPDX-License-Identifier: GPL-2.0-only
/* Settings of the library OS: sysctls, host name, name servers, limits. */
#include "init.h"
#include "init_sys.h"

#include <asm/errno.h>
#include <asm/resource.h>
#include <linux/fcntl.h>
#include <linux/mount.h>
#include <linux/resource.h>

enum { SYSLOG_ACTION_CONSOLE_LEVEL = 8 };

int setting_write(const char *path, const char *value)
{
	int fd = sys_open(path, O_WRONLY | O_CLOEXEC, 0);
	long n;

	if (fd < 0)
		return fd;
	n = sys_write(fd, value, text_len(value));
	sys_close(fd);
	return n < 0 ? n : 0;
}

/*
 * sysctl(8)'s two spellings: the first separator in the name, '.' or '/',
 * separates; the other one stands for itself, swapped (eth0.5).
 */
static void sysctl_path(char *name)
{
	const char *s = name;

	while (*s && *s != '.' && *s != '/')
		s++;
	if (*s != '.')
		return;
	for (; *name; name++) {
		if (*name == '.')
			*name = '/';
		else if (*name == '/')
			*name = '.';
	}
}

static void set_sysctls(void)
{
	const char *value = NULL;
	const char *rest;
	char path[512], name[256];
	int err;

	while ((value = record_next("sysctl", value))) {
		rest = value;
		if (!text_field(&rest, '=', name, sizeof(name)))
			fail("malformed sysctl: ", value);
		path[0] = '\0';
		text_append(path, sizeof(path), "/proc/sys/");
		sysctl_path(name);
		text_append(path, sizeof(path), name);
		err = setting_write(path, rest);
		if (err == -ENOENT)
			fail("the library OS has no sysctl ", value,
			     "; look for its name below /proc/sys");
		if (err)
			fail("cannot set sysctl ", value, ": ",
			     errno_text(-err) ?: "refused by the kernel");
	}
}

static void write_name_servers(const char *path)
{
	int fd = sys_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	const char *dns = NULL;
	char line[80];

	while ((dns = record_next("dns", dns))) {
		line[0] = '\0';
		text_append(line, sizeof(line) - 1, "nameserver ");
		text_append(line, sizeof(line) - 1, dns);
		text_append(line, sizeof(line), "\n");
		sys_write(fd, line, text_len(line));
	}
	sys_close(fd);
}

/*
 * The image's file is covered, not changed. Where there is nothing to cover, a
 * writable image gets a link, in place of a dangling one too.
 */
static void set_name_servers(void)
{
	static const char source[] = "/run/resolv.conf";
	static const char target[] = "/etc/resolv.conf";
	int err;

	if (!record_get("dns"))
		return;
	write_name_servers(source);
	err = sys_mount(source, target, NULL, MS_BIND, NULL);
	if (err) {
		sys_unlink(target);
		err = sys_symlink(source, target);
	}
	if (err)
		fail("cannot set the name servers: the read-only image has no ",
		     target, "; create that file in the image");
}

static void set_host_name(void)
{
	const char *name = record_get("hostname") ?: "rkt-io";
	int err = sys2(__NR_sethostname, name, text_len(name));

	if (err)
		fail("cannot set the host name ", name, ": ",
		     errno_text(-err) ?: "too long");
}

/* What systemd gives a service: servers ask for more than Linux's 4096. */
static void set_limits(void)
{
	const struct rlimit64 files = { .rlim_cur = 1024, .rlim_max = 524288 };

	sys4(__NR_prlimit64, 0, RLIMIT_NOFILE, &files, NULL);
}

void kernel_messages(bool shown)
{
	const char *level = shown ? record_get("loglevel") : "1";
	long n = level ? text_number(level) : 4;

	/* The kernel's own scale begins at 1. */
	sys3(__NR_syslog, SYSLOG_ACTION_CONSOLE_LEVEL, NULL, n < 1 ? 1 : n);
}

void setting_all(void)
{
	set_host_name();
	set_limits();
	set_sysctls();
	set_name_servers();
}
