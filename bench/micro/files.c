// SPDX-License-Identifier: Apache-2.0
/*
 * tmpfs_pread, ext4_pread, ext4_write: files, by the page cache and by fsync.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "micro.h"

enum {
	WRITE_BYTES = 1 << 20,
	TMPFS_FILE_BYTES = 1 << 20,	/* fits the L2: measures the path, not DRAM */
	DISK_FILE_BYTES = 128 << 20,
};

static char buffer[WRITE_BYTES] __attribute__((aligned(PAGE_BYTES)));

/* ---- tmpfs_pread, ext4_pread: 4 KiB at random from the page cache ---- */

struct random_reads {
	int fd;
	uint32_t state;
	uint32_t file_pages;
};

static uint32_t xorshift32(uint32_t *state)
{
	uint32_t x = *state;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return *state = x;
}

static long pread_batch(void *arg)
{
	enum { READS = 500 };
	struct random_reads *reads = arg;
	off_t offset;
	int err;

	for (int i = 0; i < READS; i++) {
		offset = (off_t)(xorshift32(&reads->state) % reads->file_pages) * PAGE_BYTES;
		err = whole(pread(reads->fd, buffer, PAGE_BYTES, offset), PAGE_BYTES);
		if (err)
			return err;
	}
	return READS;
}

static int fill_file(int fd, size_t bytes)
{
	int err = 0;

	memset(buffer, 0x5a, sizeof(buffer));	/* zeros might be treated specially */
	for (size_t done = 0; !err && done < bytes; done += WRITE_BYTES)
		err = whole(pwrite(fd, buffer, WRITE_BYTES, (off_t)done), WRITE_BYTES);
	if (!err && fsync(fd))
		err = -errno;
	return err;
}

static int read_through(int fd, size_t bytes)
{
	int err = 0;

	for (size_t done = 0; !err && done < bytes; done += WRITE_BYTES)
		err = whole(pread(fd, buffer, WRITE_BYTES, (off_t)done), WRITE_BYTES);
	return err;
}

/* Opens the file at @path with @bytes of data, all of it in the page cache. */
static int open_warm(const char *path, size_t bytes, int *ret_fd)
{
	struct stat status;
	int fd, err = 0;

	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &status))
		err = -errno;
	else if ((size_t)status.st_size != bytes)
		err = fill_file(fd, bytes);
	if (!err)
		err = read_through(fd, bytes);
	if (err)
		close(fd);
	else
		*ret_fd = fd;
	return err;
}

static int time_random_reads(const char *path, size_t bytes, double seconds, double *ret)
{
	struct random_reads reads = { .state = 1, .file_pages = (uint32_t)(bytes / PAGE_BYTES) };
	int err;

	err = open_warm(path, bytes, &reads.fd);
	if (err)
		return err;
	err = time_operation(pread_batch, &reads, seconds, ret);
	close(reads.fd);
	return err;
}

int bench_tmpfs_pread(const struct settings *settings, double *ret)
{
	char path[64];
	int err;

	snprintf(path, sizeof(path), "/dev/shm/rkt-io-micro.%d", getpid());
	err = time_random_reads(path, TMPFS_FILE_BYTES, settings->seconds, ret);
	unlink(path);
	return err;
}

int bench_ext4_pread(const struct settings *settings, double *ret)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/micro.pread", settings->directory);
	return time_random_reads(path, DISK_FILE_BYTES, settings->seconds, ret);
}

/* ---- ext4_write: 1 MiB writes to a new file, and one fsync ---- */

static int time_file_write(const char *path, double *ret_seconds)
{
	double start;
	int fd, err;

	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	start = now_seconds();
	err = fill_file(fd, DISK_FILE_BYTES);
	*ret_seconds = now_seconds() - start;
	close(fd);
	return err;
}

int bench_ext4_write(const struct settings *settings, double *ret)
{
	double seconds = 0, total_seconds = 0;
	long files = 0;
	char path[PATH_MAX];
	int err;

	snprintf(path, sizeof(path), "%s/micro.write", settings->directory);
	do {
		err = time_file_write(path, &seconds);
		if (err)
			break;
		total_seconds += seconds;
		files++;
	} while (total_seconds < settings->seconds);
	unlink(path);
	if (!err)
		*ret = (double)files * (DISK_FILE_BYTES >> 20) / total_seconds;
	return err;
}
