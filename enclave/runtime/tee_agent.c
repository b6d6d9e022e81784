// SPDX-License-Identifier: GPL-2.0-only
/*
 * The agent: a process beside the enclave that makes reports through the
 * kernel's configfs-tsm (Documentation/ABI/testing/configfs-tsm). It knows
 * public things only: report data comes in, evidence goes out.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "runtime.h"
#include "tee.h"

enum { PATH_BYTES = 512, TEXT_BYTES = 32 };

/* One entry in configfs is ours alone: nobody else's question comes between. */
struct entry {
	char path[PATH_BYTES];
};

static int entry_create(struct entry *entry, const char *folder)
{
	int length = snprintf(entry->path, sizeof(entry->path), "%s/rkt-io-%d", folder, rt_process);

	if (length >= (int)sizeof(entry->path))
		return -ENAMETOOLONG;
	/* One that a killed enclave of the same number left serves as well. */
	return mkdir(entry->path, 0700) && errno != EEXIST ? -errno : 0;
}

static void entry_destroy(const struct entry *entry)
{
	rmdir(entry->path);
}

static int open_attribute(const struct entry *entry, const char *name, int flags)
{
	char path[PATH_BYTES + TEXT_BYTES];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", entry->path, name);
	fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

/* All of an attribute; its bytes, or -errno, -EFBIG beyond @room. */
static long read_attribute(const struct entry *entry, const char *name, void *dst, size_t room)
{
	int fd = open_attribute(entry, name, O_RDONLY);
	size_t have = 0;
	char beyond;
	long n;

	if (fd < 0)
		return fd;
	for (;;) {
		n = have < room ? read(fd, (char *)dst + have, room - have) : read(fd, &beyond, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		if (have == room) {
			n = -1;
			errno = EFBIG;
			break;
		}
		have += n;
	}
	n = n < 0 ? -errno : (long)have;
	close(fd);
	return n;
}

static int read_text(const struct entry *entry, const char *name, char text[TEXT_BYTES])
{
	long n = read_attribute(entry, name, text, TEXT_BYTES - 1);

	if (n < 0)
		return n;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return 0;
}

static int read_generation(const struct entry *entry, unsigned long *ret)
{
	char text[TEXT_BYTES], *end;
	int err = read_text(entry, "generation", text);

	if (err)
		return err;
	*ret = strtoul(text, &end, 10);
	return *end || end == text ? -EPROTO : 0;
}

/* The kernel takes it in on close, whose result it drops: see the generation. */
static int write_report_data(const struct entry *entry, const unsigned char *report_data)
{
	int fd = open_attribute(entry, "inblob", O_WRONLY);
	long n;

	if (fd < 0)
		return fd;
	n = write(fd, report_data, RT_TEE_REPORT_DATA_BYTES);
	n = n == RT_TEE_REPORT_DATA_BYTES ? 0 : n < 0 ? -errno : -EIO;
	close(fd);
	return n;
}

static int report(const struct entry *entry, const unsigned char *report_data,
		  struct rt_tee_evidence *evidence)
{
	unsigned long before, after;
	long primary, auxiliary;
	int err;

	err = read_generation(entry, &before);
	if (!err)
		err = write_report_data(entry, report_data);
	if (err)
		return err;
	primary = read_attribute(entry, "outblob", evidence->blobs, RT_TEE_BLOB_BYTES_MAX);
	if (primary < 0)
		return primary;
	auxiliary = read_attribute(entry, "auxblob", evidence->blobs + primary,
				   RT_TEE_BLOB_BYTES_MAX);
	if (auxiliary == -ENOENT)
		auxiliary = 0;		/* a TDX quote holds its certificates */
	if (auxiliary < 0)
		return auxiliary;
	err = read_generation(entry, &after);
	if (err)
		return err;
	evidence->primary_bytes = primary;
	evidence->auxiliary_bytes = auxiliary;
	return after == before + 1 ? 0 : -ESTALE;
}

static void answer(const char *folder, int socket, const struct rt_tee_question *question)
{
	static struct rt_tee_evidence evidence;
	struct rt_tee_reply reply = { .number = question->number };
	struct iovec parts[] = { { &reply, sizeof(reply) }, { evidence.blobs, 0 } };
	struct entry entry;

	reply.error = entry_create(&entry, folder);
	if (!reply.error) {
		reply.error = report(&entry, question->report_data, &evidence);
		entry_destroy(&entry);
	}
	if (!reply.error) {
		reply.primary_bytes = evidence.primary_bytes;
		reply.auxiliary_bytes = evidence.auxiliary_bytes;
		parts[1].iov_len = evidence.primary_bytes + evidence.auxiliary_bytes;
	}
	if (writev(socket, parts, 2) < 0)
		_exit(1);
}

void rt_tee_agent(const char *folder, int socket)
{
	struct rt_tee_question question;
	long n;

	for (;;) {
		n = read(socket, &question, sizeof(question));
		if (n < 0 && errno == EINTR)
			continue;
		if (n != sizeof(question))
			_exit(n ? 1 : 0);
		answer(folder, socket, &question);
	}
}

void rt_tee_agent_probe(const char *folder, const char *provider)
{
	char found[TEXT_BYTES];
	struct entry entry;
	int err = entry_create(&entry, folder);

	if (err == -ENOENT)
		rt_fail("tee: no %s; is this a confidential VM, with configfs mounted and its guest driver loaded?", folder);
	if (err)
		rt_fail("tee: cannot use %s: %s", folder, strerror(-err));
	err = read_text(&entry, "provider", found);
	entry_destroy(&entry);
	if (err)
		rt_fail("tee: %s names no provider: %s", folder, strerror(-err));
	if (strcmp(found, provider))
		rt_fail("tee: this machine's TEE is '%s', not '%s'; give another --tee", found, provider);
}
