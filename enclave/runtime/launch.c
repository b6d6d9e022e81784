// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads the launch record at start-up. The record comes from the host, so each
 * value is checked in full before any of it is used; glibc may be used here.
 */
#include "launch.h"
#include "launch_value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum count { ONCE, MAYBE, MANY };

static const struct key {
	const char *name;
	enum count count;
	rt_launch_value_fn *parse;
} keys[] = {
#define X(name, count, form, meaning) { #name, count, rt_launch_##name },
	LAUNCH_KEYS(X)
#undef X
};

enum { KEYS = sizeof(keys) / sizeof(keys[0]) };

enum key_index {
#define X(name, count, form, meaning) KEY_##name,
	LAUNCH_KEYS(X)
#undef X
};

static const struct key *find_key(const char *entry, size_t len)
{
	for (int i = 0; i < KEYS; i++)
		if (strlen(keys[i].name) == len && !memcmp(keys[i].name, entry, len))
			return &keys[i];
	return NULL;
}

static int parse_entry(struct rt_launch_check *p, const char *entry,
		       unsigned int seen[KEYS])
{
	const char *equals = strchr(entry, '=');
	const struct key *key;

	p->key = NULL;
	if (!equals)
		return rt_launch_refuse(p, "'%.64s' is not key=value", entry);
	key = find_key(entry, equals - entry);
	if (!key)
		return rt_launch_refuse(p, "unknown key '%.*s'; is rkt-io-run of the same release as the enclave?",
					(int)(equals - entry > 64 ? 64 : equals - entry), entry);
	p->key = key->name;
	if (seen[key - keys]++ && key->count != MANY)
		return rt_launch_refuse(p, "given twice");
	return key->parse(p, equals + 1);
}

static bool known_disk(const struct rt_launch *launch, const char *value)
{
	if (!strncmp(value, "nvme", 4))
		return value[4] < (char)('0' + launch->nvme_count);
	return value[2] < (char)('a' + launch->disk_count);
}

/* A disk may be named before it is given, so that names wait for the end. */
static int check_disk_names(struct rt_launch_check *p, const char *record, size_t len)
{
	for (const char *entry = record; entry < record + len;
	     entry += strlen(entry) + 1) {
		bool root = !strncmp(entry, "root=", 5);

		if (!root && (strncmp(entry, "mount=", 6) ||
			      !strncmp(entry, "mount=none:", 11)))
			continue;
		p->key = root ? "root" : "mount";
		if (!known_disk(p->launch, strchr(entry, '=') + 1))
			return rt_launch_refuse(p, "'%.64s' names a disk that is not given",
						strchr(entry, '=') + 1);
	}
	return 0;
}

static int check_sealed(struct rt_launch_check *p, const char *record, size_t len,
			const unsigned int seen[KEYS])
{
	bool sealed = false;

	for (const char *entry = record; entry < record + len;
	     entry += strlen(entry) + 1)
		if (!strncmp(entry, "root=", 5))
			sealed = !strcmp(entry + strlen("root=vda"), ":sealed:ro");
	if (sealed != seen[KEY_sealed_config] || sealed != seen[KEY_owner_key])
		return rt_launch_refuse(p, "a sealed root, a sealed_config and an owner_key belong together");
	if (!sealed && !seen[KEY_arg])
		return rt_launch_refuse(p, "no arg");
	if (seen[KEY_keys] && seen[KEY_insecure_keys])
		return rt_launch_refuse(p, "keys of a broker and insecure_keys; give one of them");
	if (sealed && p->launch->insecure_no_lockdown && !seen[KEY_insecure_keys])
		return rt_launch_refuse(p, "insecure_no_lockdown is not for the keys of a broker");
	return 0;
}

static int check_whole(struct rt_launch_check *p, const char *record, size_t len,
		       const unsigned int seen[KEYS])
{
	p->key = NULL;
	for (int i = 0; i < KEYS; i++)
		if (!seen[i] && keys[i].count == ONCE)
			return rt_launch_refuse(p, "no %s", keys[i].name);
	for (int i = KEY_addr; i <= KEY_dns; i++)
		if (seen[i] > LAUNCH_ADDRS_MAX)
			return rt_launch_refuse(p, "more than %d of %s", LAUNCH_ADDRS_MAX,
						keys[i].name);
	if ((seen[KEY_addr] || seen[KEY_gateway]) && !seen[KEY_net])
		return rt_launch_refuse(p, "an address or gateway, but no net");
	if (seen[KEY_wireguard_peer] > LAUNCH_PEERS_MAX)
		return rt_launch_refuse(p, "more than %d WireGuard peers", LAUNCH_PEERS_MAX);
	if ((seen[KEY_wireguard] && !seen[KEY_net]) ||
	    ((seen[KEY_wireguard_addr] || seen[KEY_wireguard_peer]) && !seen[KEY_wireguard]))
		return rt_launch_refuse(p, "WireGuard needs wireguard and net");
	if (check_sealed(p, record, len, seen))
		return -EINVAL;
	if (seen[KEY_net_queue] && p->launch->net.kind != RT_NET_TAP)
		return rt_launch_refuse(p, "net_queue belongs to a tap");
	if (!seen[KEY_tree] != (p->launch->io < RT_IO_SWITCHLESS))
		return rt_launch_refuse(p, "a tree belongs to the baselines sync and switchless, and only to these");
	if (p->launch->io != RT_IO_DIRECT && (seen[KEY_sealed_config] || seen[KEY_net_queue]))
		return rt_launch_refuse(p, "a baseline has neither a sealed image nor a second queue");
	return check_disk_names(p, record, len);
}

int rt_launch_parse(const char *record, size_t len, struct rt_launch *launch,
		    char *error, size_t error_size)
{
	struct rt_launch_check p = { .launch = launch, .error = error,
			   .error_size = error_size };
	unsigned int seen[KEYS] = { 0 };
	int err;

	*launch = (struct rt_launch){
		.poll = RT_POLL_ADAPTIVE,
		.loglevel = 4,
		.insecure_keys_fd = -1,
		.insecure_block_log_fd = -1,
		.io_threads = 1,
		.record = record,
		.record_bytes = len,
	};
	if (!len)
		return rt_launch_refuse(&p, "empty");
	if (len > LAUNCH_BYTES_MAX)
		return rt_launch_refuse(&p, "larger than %d bytes", LAUNCH_BYTES_MAX);
	if (record[len - 1])
		return rt_launch_refuse(&p, "cut off in its last entry");
	for (const char *entry = record; entry < record + len;
	     entry += strlen(entry) + 1) {
		err = parse_entry(&p, entry, seen);
		if (err)
			return err;
	}
	return check_whole(&p, record, len, seen);
}

__attribute__((noreturn))
static void die(const char *line)
{
	fprintf(stderr, "rkt-io: %s\n", line);
	exit(LAUNCH_STATUS_FAILED);
}

/* All of @fd, at most one byte past the bound, which the parser then refuses. */
static char *read_all(int fd, size_t *ret_len)
{
	struct stat st;
	size_t size, len = 0;
	char *record;
	ssize_t n;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		die("launch record: not a file; start enclaves with rkt-io-run");
	size = st.st_size > LAUNCH_BYTES_MAX ? LAUNCH_BYTES_MAX + 1 : st.st_size;
	record = malloc(size + 1);
	if (!record)
		die("launch record: out of memory");
	while (len < size) {
		n = pread(fd, record + len, size - len, len);
		if (n < 0)
			die("launch record: cannot be read; start enclaves with rkt-io-run");
		if (!n)
			break;
		len += n;
	}
	*ret_len = len;
	return record;
}

void rt_launch_read(const char *fd_text, struct rt_launch *launch)
{
	char error[512];
	uint64_t fd = 0;
	char *record;
	size_t len;

	if (!fd_text || !rt_launch_number(fd_text, &fd) || fd < 3 || fd > INT32_MAX)
		die("the argument is not the descriptor of a launch record; start enclaves with rkt-io-run");
	record = read_all(fd, &len);
	if (rt_launch_parse(record, len, launch, error, sizeof(error)))
		die(error);
	close(fd);
}
