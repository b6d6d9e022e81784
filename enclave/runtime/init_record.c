// SPDX-License-Identifier: GPL-2.0-only
/*
 * The launch record as PID 1 reads it. The runtime has checked its form; here
 * it is mapped, so that argv and envp can point into it without a copy. It stays
 * mapped after the file is gone: the end needs the list of mounts again.
 */
#include "init.h"
#include "init_sys.h"

#include <asm/stat.h>
#include <linux/fcntl.h>
#include <linux/mman.h>

static struct {
	const char *start;
	size_t len;
} record;

void record_open(const char *path)
{
	int fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0);
	struct stat st;
	void *start;

	if (fd < 0 || sys2(__NR_fstat, fd, &st) || !st.st_size)
		fail("no launch record in the initramfs; rebuild with make");
	start = sys_mmap(st.st_size, PROT_READ, MAP_PRIVATE, fd);
	sys_close(fd);
	if ((unsigned long)start > -4096UL)
		fail("the launch record cannot be mapped: ",
		     errno_text(-(long)start) ?: "unknown error");
	if (((char *)start)[st.st_size - 1])
		fail("the launch record is cut off; rebuild with make");
	record.start = start;
	record.len = st.st_size;
}

void record_replace(const char *start, size_t len)
{
	record.start = start;
	record.len = len;
}

const char *record_entry(const char *previous)
{
	const char *entry = previous ? previous + text_len(previous) + 1 : record.start;

	return entry < record.start + record.len ? entry : NULL;
}

const char *record_next(const char *key, const char *previous)
{
	const char *end = record.start + record.len;
	const char *entry = record.start;
	const char *value;

	if (previous)
		entry = previous + text_len(previous) + 1;
	for (; entry < end; entry += text_len(entry) + 1) {
		value = text_after(entry, key);
		if (value && *value == '=')
			return value + 1;
	}
	return NULL;
}

const char *record_get(const char *key)
{
	return record_next(key, NULL);
}

size_t record_count(const char *key)
{
	const char *value = NULL;
	size_t count = 0;

	while ((value = record_next(key, value)))
		count++;
	return count;
}
