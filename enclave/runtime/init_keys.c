// SPDX-License-Identifier: GPL-2.0-only
/* The owner's keys on their way to who needs them; init_keys.h says whence. */
#include "init.h"
#include "init_keys.h"
#include "init_sys.h"

#include <asm/errno.h>
#include <asm/stat.h>
#include <linux/fcntl.h>

#define KEYS_PATH "/keys"
#define HELPER_PATH "/rkt-io-keys"

enum { NAME_MAX_BYTES = 48, VOLUME_KEY_BYTES = 64 };

static struct {
	struct key {
		char name[NAME_MAX_BYTES];	/* empty: free, or taken */
		unsigned char bytes[KEYS_BYTES_MAX];
		size_t size;
	} keys[KEYS_MAX];
	size_t count;
	char text[KEYS_TEXT_MAX + 1];
} table;

void keys_wipe(void *secret, size_t size)
{
	volatile unsigned char *bytes = secret;

	while (size--)
		*bytes++ = 0;
}

void keys_close(void)
{
	keys_wipe(&table, sizeof(table));
}

static struct key *find(const char *name)
{
	for (size_t i = 0; i < table.count; i++)
		if (*table.keys[i].name && text_equal(table.keys[i].name, name))
			return &table.keys[i];
	return NULL;
}

bool keys_has(const char *name)
{
	return find(name);
}

bool keys_take(const char *name, unsigned char *out, size_t size)
{
	struct key *key = find(name);

	if (!key || key->size != size)
		return false;
	memcpy(out, key->bytes, size);
	keys_wipe(key, sizeof(*key));
	return true;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* HEX up to the newline; its length in bytes, or 0. */
static size_t parse_hex(const char **text, unsigned char *out)
{
	const char *s = *text;
	size_t size = 0;

	for (; *s && *s != '\n'; s += 2) {
		int high = digit(s[0]);
		int low = high < 0 ? -1 : digit(s[1]);

		if (low < 0 || size == KEYS_BYTES_MAX)
			return 0;
		out[size++] = high << 4 | low;
	}
	if (*s != '\n')
		return 0;
	*text = s + 1;
	return size;
}

static bool parse_name(const char **text, char *name)
{
	const char *s = *text;
	size_t len = 0;

	for (; *s != '='; s++) {
		if (!((*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9') ||
		      *s == '-') || len == NAME_MAX_BYTES - 1)
			return false;
		name[len++] = *s;
	}
	name[len] = '\0';
	*text = s + 1;
	return len;
}

/* No line of it is ever quoted: it is secret. */
static void parse(const char *text)
{
	struct key *key;

	while (*text) {
		if (table.count == KEYS_MAX)
			fail("keys: more than the enclave can use");
		key = &table.keys[table.count];
		if (!parse_name(&text, key->name) || find(key->name) ||
		    !(key->size = parse_hex(&text, key->bytes)))
			fail("keys: a line is not NAME=HEX, or a name occurs twice");
		table.count++;
	}
}

/* What rkt-io-disk --key-out wrote: the root's volume key, and nothing else. */
static void take_volume_key(void)
{
	struct key *key = &table.keys[0];

	text_append(key->name, sizeof(key->name), "root");
	memcpy(key->bytes, table.text, VOLUME_KEY_BYTES);
	key->size = VOLUME_KEY_BYTES;
	table.count = 1;
}

/* The file's pages are not cleared when it goes: overwrite them first. */
static long read_and_wipe(const char *path)
{
	int fd = sys_open(path, O_RDWR | O_CLOEXEC, 0);
	char zeros[512] = { 0 };
	struct stat st;
	long n, size;

	if (fd < 0 || sys2(__NR_fstat, fd, &st))
		fail("keys: cannot be read; rebuild with make");
	n = sys_read(fd, table.text, sizeof(table.text));
	sys3(__NR_lseek, fd, 0, 0 /* SEEK_SET */);
	for (size = st.st_size; size > 0; size -= sizeof(zeros))
		sys_write(fd, zeros, sizeof(zeros));
	sys_close(fd);
	sys_unlink(path);
	if (n < 0 || n > KEYS_TEXT_MAX)
		fail("keys: larger than the enclave can use");
	return n;
}

static void run_helper(const char *url)
{
	const char *argv[] = { HELPER_PATH, url, NULL };
	const char *envp[] = { NULL };
	int fd, status;

	fd = sys_open(KEYS_PATH, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		fail("keys: no private memory for them; give the enclave more (--memory)");
	status = spawn_helper(argv, envp, fd);
	sys_close(fd);
	sys_unlink(HELPER_PATH);	/* 5 MB */
	if (status == -ENOENT)
		fail("keys: this enclave was built without a key broker's client");
	if (!status)
		return;
	read_and_wipe(KEYS_PATH);
	if (status != LAUNCH_STATUS_FAILED)
		fail("keys: the key broker's client crashed, or cannot be started");
	finish(LAUNCH_STATUS_FAILED);	/* it has said why */
}

void keys_open(void)
{
	const char *url = record_get("keys");
	long size;

	if (url)
		run_helper(url);
	else if (!record_get("insecure_keys"))
		return;
	size = read_and_wipe(KEYS_PATH);
	if (size == VOLUME_KEY_BYTES)
		take_volume_key();
	else if (!size || text_len(table.text) != (size_t)size)
		fail("keys: the source gave none, or not text");
	else
		parse(table.text);
	keys_wipe(table.text, sizeof(table.text));
}
