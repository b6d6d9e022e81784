// SPDX-License-Identifier: GPL-2.0-only
/* The values of the launch record: one function per key, strict. */
#define _GNU_SOURCE
#include "launch_value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

int rt_launch_refuse(struct rt_launch_check *p, const char *format, ...)
{
	va_list args;
	int used;

	used = snprintf(p->error, p->error_size, "launch record: ");
	if (p->key)
		used += snprintf(p->error + used, p->error_size - used, "%s: ",
				 p->key);
	va_start(args, format);
	vsnprintf(p->error + used, p->error_size - used, format, args);
	va_end(args);
	/* It may quote the record, and goes to a terminal. */
	for (char *c = p->error; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return -EINVAL;
}

/* A decimal number and nothing else: no sign, no blank, no overflow. */
bool rt_launch_number(const char *text, uint64_t *ret)
{
	uint64_t n = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, *text - '0', &n))
			return false;
	}
	*ret = n;
	return true;
}

static int number_between(struct rt_launch_check *p, const char *value, uint64_t min,
			  uint64_t max, unsigned int *ret)
{
	uint64_t n;

	if (!rt_launch_number(value, &n) || n < min || n > max)
		return rt_launch_refuse(p, "'%.64s' is not a number from %lu to %lu", value,
					min, max);
	*ret = n;
	return 0;
}

/* Copy the text before the next ':' to @field and step over both. */
static bool next_field(const char **value, char *field, size_t size)
{
	size_t len = strcspn(*value, ":");

	if (!len || len >= size || ((*value)[len] == ':' && !(*value)[len + 1]))
		return false;
	memcpy(field, *value, len);
	field[len] = '\0';
	*value += len;
	if (**value == ':')
		(*value)++;
	return true;
}

static int parse_fd(struct rt_launch_check *p, const char *text, int *ret)
{
	uint64_t n;

	if (!rt_launch_number(text, &n) || n < 3 || n > INT32_MAX ||
	    fcntl(n, F_GETFD) < 0)
		return rt_launch_refuse(p, "'%.64s' is not an open descriptor above 2", text);
	*ret = n;
	return 0;
}

static int parse_access(struct rt_launch_check *p, const char *text, bool *readonly)
{
	*readonly = !strcmp(text, "ro");
	if (!*readonly && strcmp(text, "rw"))
		return rt_launch_refuse(p, "'%.64s' is neither rw nor ro", text);
	return 0;
}

int rt_launch_version(struct rt_launch_check *p, const char *value)
{
	unsigned int version;

	return number_between(p, value, LAUNCH_VERSION, LAUNCH_VERSION, &version);
}

int rt_launch_memory_bytes(struct rt_launch_check *p, const char *value)
{
	uint64_t n;

	if (!rt_launch_number(value, &n) || n % LAUNCH_MEMORY_UNIT ||
	    n < LAUNCH_MEMORY_MIN || n > INT64_MAX)
		return rt_launch_refuse(p, "'%.64s' is not a multiple of 2 MiB of at least %u MiB",
					value, LAUNCH_MEMORY_MIN >> 20);
	p->launch->memory_bytes = n;
	return 0;
}

int rt_launch_cpus(struct rt_launch_check *p, const char *value)
{
	return number_between(p, value, 1, LAUNCH_CPUS_MAX, &p->launch->cpus);
}

int rt_launch_poll(struct rt_launch_check *p, const char *value)
{
	if (!strcmp(value, "busy"))
		p->launch->poll = RT_POLL_BUSY;
	else if (!strcmp(value, "adaptive"))
		p->launch->poll = RT_POLL_ADAPTIVE;
	else if (!strcmp(value, "sleep"))
		p->launch->poll = RT_POLL_SLEEP;
	else
		return rt_launch_refuse(p, "'%.64s' is none of busy, adaptive, sleep", value);
	return 0;
}

int rt_launch_loglevel(struct rt_launch_check *p, const char *value)
{
	return number_between(p, value, 0, 8, &p->launch->loglevel);
}

static int parse_flag(struct rt_launch_check *p, const char *value, bool *ret)
{
	unsigned int n;
	int err = number_between(p, value, 0, 1, &n);

	*ret = !err && n;
	return err;
}

int rt_launch_stats(struct rt_launch_check *p, const char *value)
{
	return parse_flag(p, value, &p->launch->stats);
}

int rt_launch_tty(struct rt_launch_check *p, const char *value)
{
	return parse_flag(p, value, &p->launch->tty);
}

/* The descriptor decides what the disk can do; the record must agree with it. */
static int check_disk(struct rt_launch_check *p, struct rt_launch_disk *disk)
{
	int flags = fcntl(disk->fd, F_GETFL);
	struct stat st;

	if (flags < 0 || fstat(disk->fd, &st))
		return rt_launch_refuse(p, "descriptor %d: %s", disk->fd, strerror(errno));
	if (disk->vhost && !S_ISSOCK(st.st_mode))
		return rt_launch_refuse(p, "descriptor %d is not a socket", disk->fd);
	if (disk->vhost)
		return 0;
	if ((flags & O_ACCMODE) == O_WRONLY ||
	    (!disk->readonly && (flags & O_ACCMODE) != O_RDWR))
		return rt_launch_refuse(p, "descriptor %d is not open for %s", disk->fd,
					disk->readonly ? "reading" : "reading and writing");
	if (!!(flags & O_DIRECT) != disk->direct)
		return rt_launch_refuse(p, "descriptor %d is %sopen with O_DIRECT", disk->fd,
					disk->direct ? "not " : "");
	if (S_ISREG(st.st_mode))
		disk->size_bytes = st.st_size;
	else if (!S_ISBLK(st.st_mode))
		return rt_launch_refuse(p, "descriptor %d is neither a file nor a block device",
					disk->fd);
	else if (ioctl(disk->fd, BLKGETSIZE64, &disk->size_bytes))
		return rt_launch_refuse(p, "descriptor %d: %s", disk->fd, strerror(errno));
	if (disk->size_bytes < 512)
		return rt_launch_refuse(p, "descriptor %d is an empty disk", disk->fd);
	return 0;
}

int rt_launch_disk(struct rt_launch_check *p, const char *value)
{
	char fd[16], access[8], cache[16];
	struct rt_launch_disk *disk;
	const char *rest = value;

	if (p->launch->disk_count == LAUNCH_DISKS_MAX)
		return rt_launch_refuse(p, "more than %d disks", LAUNCH_DISKS_MAX);
	disk = &p->launch->disks[p->launch->disk_count];
	if (!next_field(&rest, fd, sizeof(fd)) ||
	    !next_field(&rest, access, sizeof(access)) ||
	    !next_field(&rest, cache, sizeof(cache)) || *rest)
		return rt_launch_refuse(p, "'%.64s' is not FD:rw|ro:direct|buffered|vhost-user", value);
	disk->direct = !strcmp(cache, "direct");
	disk->vhost = !strcmp(cache, "vhost-user");
	if (!disk->direct && !disk->vhost && strcmp(cache, "buffered"))
		return rt_launch_refuse(p, "'%s' is neither direct, buffered nor vhost-user", cache);
	if (parse_fd(p, fd, &disk->fd) ||
	    parse_access(p, access, &disk->readonly) || check_disk(p, disk))
		return -EINVAL;
	p->launch->disk_count++;
	return 0;
}

/* vda .. vdp; whether there are that many is known at the end only. */
static bool valid_disk_name(const char *name)
{
	return strlen(name) == 3 && name[0] == 'v' && name[1] == 'd' &&
	       name[2] >= 'a' && name[2] < 'a' + LAUNCH_DISKS_MAX;
}

int rt_launch_root(struct rt_launch_check *p, const char *value)
{
	char dev[8], fstype[16], access[8];
	const char *rest = value;
	bool readonly;

	if (!next_field(&rest, dev, sizeof(dev)) || !valid_disk_name(dev) ||
	    !next_field(&rest, fstype, sizeof(fstype)) ||
	    !next_field(&rest, access, sizeof(access)) || *rest)
		return rt_launch_refuse(p, "'%.64s' is not DEV:FSTYPE:rw|ro", value);
	return parse_access(p, access, &readonly);
}

int rt_launch_mount(struct rt_launch_check *p, const char *value)
{
	char dev[16], path[4096], fstype[16], access[8];
	const char *rest = value;
	bool readonly;

	if (!next_field(&rest, dev, sizeof(dev)) ||
	    !next_field(&rest, path, sizeof(path)) || path[0] != '/' ||
	    !next_field(&rest, fstype, sizeof(fstype)) ||
	    !next_field(&rest, access, sizeof(access)) || *rest)
		return rt_launch_refuse(p, "'%.64s' is not DEV:PATH:FSTYPE:rw|ro", value);
	if (strcmp(dev, "none") && !valid_disk_name(dev) && !rt_launch_nvme_name(dev))
		return rt_launch_refuse(p, "'%s' is neither a disk nor none", dev);
	return parse_access(p, access, &readonly);
}

/* Six pairs of hexadecimal digits; a group address can't be a device's own. */
static bool parse_mac(const char *text, uint8_t mac[6])
{
	static const char digits[] = "0123456789abcdef";
	int i;

	for (i = 0; i < 6; i++, text += 3) {
		const char *high = text[0] ? strchr(digits, text[0] | 0x20) : NULL;
		const char *low = high && text[1] ?
				  strchr(digits, text[1] | 0x20) : NULL;

		if (!low || text[2] != (i < 5 ? ':' : '\0'))
			return false;
		mac[i] = (high - digits) << 4 | (low - digits);
	}
	return !(mac[0] & 1);
}

static bool parse_kind(const char *text, enum rt_net_kind *ret)
{
	static const char *const names[] = {
		[RT_NET_TAP] = "tap",
		[RT_NET_VIRTIO_USER] = "virtio-user",
		[RT_NET_VHOST] = "vhost",
	};

	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(text, names[i]))
			continue;
		*ret = i;
		return true;
	}
	return false;
}

int rt_launch_net(struct rt_launch_check *p, const char *value)
{
	struct rt_launch_net *net = &p->launch->net;
	char kind[16], fd[16], mac[18], mtu[16], role[16] = "";
	const char *rest = value;

	if (!next_field(&rest, kind, sizeof(kind)) || !parse_kind(kind, &net->kind) ||
	    !next_field(&rest, fd, sizeof(fd)) || strlen(rest) < 19 ||
	    rest[17] != ':')
		return rt_launch_refuse(p, "'%.64s' is not tap|virtio-user|vhost:FD:MAC:MTU[:server]", value);
	memcpy(mac, rest, 17);
	mac[17] = '\0';
	rest += 18;
	if (!next_field(&rest, mtu, sizeof(mtu)) ||
	    (*rest && !next_field(&rest, role, sizeof(role))) || *rest ||
	    (role[0] && (strcmp(role, "server") || net->kind == RT_NET_TAP)))
		return rt_launch_refuse(p, "'%.64s' is not tap|virtio-user|vhost:FD:MAC:MTU[:server]", value);
	if (!parse_mac(mac, net->mac))
		return rt_launch_refuse(p, "'%s' is not the MAC address of a device", mac);
	if (parse_fd(p, fd, &net->fd))
		return -EINVAL;
	net->listens = role[0];
	net->present = true;
	return number_between(p, mtu, LAUNCH_MTU_MIN, LAUNCH_MTU_MAX, &net->mtu);
}

/* 4 or 6 for an address, else 0. */
static int address_family(const char *text)
{
	unsigned char bytes[16];

	if (inet_pton(AF_INET, text, bytes) == 1)
		return 4;
	return inet_pton(AF_INET6, text, bytes) == 1 ? 6 : 0;
}

int rt_launch_addr(struct rt_launch_check *p, const char *value)
{
	const char *slash = strchr(value, '/');
	char address[64];
	unsigned int prefix;
	int family = 0;

	if (slash && slash - value < (long)sizeof(address)) {
		memcpy(address, value, slash - value);
		address[slash - value] = '\0';
		family = address_family(address);
	}
	if (!family)
		return rt_launch_refuse(p, "'%.64s' is not ADDRESS/PREFIX", value);
	return number_between(p, slash + 1, 1, family == 4 ? 32 : 128, &prefix);
}

int rt_launch_gateway(struct rt_launch_check *p, const char *value)
{
	if (!address_family(value))
		return rt_launch_refuse(p, "'%.64s' is not an IPv4 or IPv6 address", value);
	return 0;
}

int rt_launch_hostname(struct rt_launch_check *p, const char *value)
{
	size_t len = strlen(value);

	if (!len || len > LAUNCH_HOSTNAME_MAX || strpbrk(value, " \t\n/"))
		return rt_launch_refuse(p, "'%.64s' is not a host name of at most %d bytes",
					value, LAUNCH_HOSTNAME_MAX);
	return 0;
}

int rt_launch_env(struct rt_launch_check *p, const char *value)
{
	const char *equals = strchr(value, '=');

	if (!equals || equals == value)
		return rt_launch_refuse(p, "'%.64s' is not NAME=VALUE", value);
	return 0;
}

int rt_launch_sysctl(struct rt_launch_check *p, const char *value)
{
	if (strstr(value, ".."))
		return rt_launch_refuse(p, "'%.64s' has an empty part in its name", value);
	return rt_launch_env(p, value);
}

int rt_launch_cwd(struct rt_launch_check *p, const char *value)
{
	if (value[0] != '/')
		return rt_launch_refuse(p, "'%.64s' is not an absolute path", value);
	return 0;
}

int rt_launch_arg(struct rt_launch_check *p, const char *value)
{
	(void)p;
	(void)value;
	return 0;
}

int rt_launch_dns(struct rt_launch_check *p, const char *value)
{
	return rt_launch_gateway(p, value);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int rt_launch_owner_key(struct rt_launch_check *p, const char *value)
{
	size_t len = strlen(value);

	if (!len || len % 2 || len / 2 > LAUNCH_CERTIFICATE_MAX)
		return rt_launch_refuse(p, "%zu digits are not those of a certificate", len);
	for (size_t i = 0; i < len / 2; i++) {
		int high = hex_digit(value[2 * i]), low = hex_digit(value[2 * i + 1]);

		if (high < 0 || low < 0)
			return rt_launch_refuse(p, "not in lower-case hexadecimal");
		p->launch->certificate[i] = high << 4 | low;
	}
	p->launch->certificate_bytes = len / 2;
	return 0;
}

int rt_launch_sealed_config(struct rt_launch_check *p, const char *value)
{
	if (strlen(value) > LAUNCH_SEALED_MAX)
		return rt_launch_refuse(p, "larger than %d bytes", LAUNCH_SEALED_MAX);
	p->launch->sealed_config = value;
	return 0;
}

int rt_launch_keys(struct rt_launch_check *p, const char *value)
{
	const char *host = strstr(value, "://");

	if (!host || host == value || !host[3] || strpbrk(value, " \t\r\n"))
		return rt_launch_refuse(p, "'%.64s' is not the URL of a key broker", value);
	p->launch->keys = true;
	return 0;
}

int rt_launch_insecure_keys(struct rt_launch_check *p, const char *value)
{
	return parse_fd(p, value, &p->launch->insecure_keys_fd);
}

int rt_launch_io(struct rt_launch_check *p, const char *value)
{
	static const char *const names[] = { "direct", "libos-host", "switchless", "sync" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strcmp(value, names[i]))
			continue;
		p->launch->io = i;
		return 0;
	}
	return rt_launch_refuse(p, "'%.64s' is none of direct, libos-host, switchless, sync", value);
}

int rt_launch_world_switch_cycles(struct rt_launch_check *p, const char *value)
{
	uint64_t n;

	if (!rt_launch_number(value, &n) || n > LAUNCH_WORLD_SWITCH_CYCLES_MAX)
		return rt_launch_refuse(p, "'%.64s' is not a number from 0 to %d", value,
					LAUNCH_WORLD_SWITCH_CYCLES_MAX);
	p->launch->world_switch_cycles = n;
	return 0;
}

int rt_launch_io_threads(struct rt_launch_check *p, const char *value)
{
	return number_between(p, value, 1, LAUNCH_IO_THREADS_MAX, &p->launch->io_threads);
}

int rt_launch_tree(struct rt_launch_check *p, const char *value)
{
	if (*value != '/')
		return rt_launch_refuse(p, "'%.64s' is not an absolute path", value);
	p->launch->tree = value;
	return 0;
}

int rt_launch_insecure_no_lockdown(struct rt_launch_check *p, const char *value)
{
	return parse_flag(p, value, &p->launch->insecure_no_lockdown);
}

int rt_launch_insecure_block_log(struct rt_launch_check *p, const char *value)
{
	return parse_fd(p, value, &p->launch->insecure_block_log_fd);
}

int rt_launch_insecure_trap(struct rt_launch_check *p, const char *value)
{
	if (strcmp(value, "hostcall"))
		return rt_launch_refuse(p, "'%.64s' is not hostcall", value);
	p->launch->insecure_trap = value;
	return 0;
}
