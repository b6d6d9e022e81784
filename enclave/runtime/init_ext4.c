// SPDX-License-Identifier: GPL-2.0-only
/*
 * An empty ext4 file system: /ext4, made by ext4_template.py when the enclave
 * is built and so part of its measurement, is a small one without its zeros.
 * It is copied, and grown while mounted.
 *
 * The file: its length in blocks of 4 KiB, then block number and contents of
 * each block that isn't zero, in ascending order.
 */
#include "init_ext4.h"
#include "init.h"
#include "init_sys.h"

#include <asm/errno.h>
#include <asm/ioctl.h>
#include <linux/fcntl.h>
#include <linux/mman.h>

#define TEMPLATE "/ext4"
#define RESIZE_FS _IOW('f', 16, unsigned long)	/* EXT4_IOC_RESIZE_FS */

enum { BLOCK = 4096, SECTOR = 512, RUN_BLOCKS = 256 };
enum { SUPERBLOCK = 1024, MAGIC = 0x38 };	/* offsets */

struct entry {
	unsigned int block;
	unsigned char contents[BLOCK];
} __attribute__((packed));

static void must(long n, long wanted, const char *what)
{
	if (n != wanted)
		fail("ext4: ", what, " failed: ", n < 0 ? errno_text(-n) ?: "I/O error" : "cut off");
}

static bool is_there(int fd)
{
	static unsigned char first[BLOCK];

	return sys_pread(fd, first, BLOCK, 0) == BLOCK &&
	       first[SUPERBLOCK + MAGIC] == 0x53 && first[SUPERBLOCK + MAGIC + 1] == 0xef;
}

/* A run of blocks from @from on, its zeros filled in, to @device. */
static void copy_run(int template, int device, unsigned int from, unsigned int count)
{
	static unsigned char run[RUN_BLOCKS * BLOCK];
	static struct entry entry;
	static long offset;

	memset(run, 0, sizeof(run));
	if (!from)
		offset = sizeof(unsigned int);
	while (sys_pread(template, &entry, sizeof(entry), offset) == sizeof(entry) &&
	       entry.block < from + count) {
		memcpy(run + (entry.block - from) * (long)BLOCK, entry.contents, BLOCK);
		offset += sizeof(entry);
	}
	if (!from) {	/* the block that says that all is there comes last */
		from++;
		count--;
		must(sys4(__NR_pwrite64, device, run + BLOCK, count * (long)BLOCK, BLOCK),
		     count * (long)BLOCK, "formatting");
		return;
	}
	must(sys4(__NR_pwrite64, device, run, count * (long)BLOCK, from * (long)BLOCK),
	     count * (long)BLOCK, "formatting");
}

/* Growing begins with a look at the last block. */
static void write_last(int device, unsigned long sectors)
{
	static const unsigned char zeros[BLOCK];

	must(sys4(__NR_pwrite64, device, zeros, BLOCK,
		  (sectors / (BLOCK / SECTOR) - 1) * (long)BLOCK), BLOCK, "formatting");
}

static void copy_first(int template, int device)
{
	static struct entry entry;

	must(sys_pread(template, &entry, sizeof(entry), sizeof(unsigned int)),
	     sizeof(entry), "reading its template");
	must(sys1(__NR_fsync, device), 0, "formatting");
	must(sys4(__NR_pwrite64, device, entry.contents, BLOCK, entry.block * (long)BLOCK),
	     BLOCK, "formatting");
	must(sys1(__NR_fsync, device), 0, "formatting");
}

bool ext4_make(const char *device, unsigned long sectors)
{
	int fd = sys_open(device, O_RDWR | O_CLOEXEC, 0);
	int template = sys_open(TEMPLATE, O_RDONLY | O_CLOEXEC, 0);
	unsigned int blocks;

	if (fd < 0 || template < 0)
		fail("ext4: the enclave carries no file system; rebuild with make");
	if (is_there(fd)) {
		sys_close(template);
		sys_close(fd);
		return false;
	}
	must(sys_read(template, &blocks, sizeof(blocks)), sizeof(blocks), "reading its template");
	if (sectors < blocks * (BLOCK / SECTOR))
		fail("ext4: a data disk is too small; give it 128M or more");
	for (unsigned int from = 0; from < blocks; from += RUN_BLOCKS)
		copy_run(template, fd, from,
			 blocks - from < RUN_BLOCKS ? blocks - from : RUN_BLOCKS);
	write_last(fd, sectors);
	copy_first(template, fd);
	sys_close(template);
	sys_close(fd);
	return true;
}

void ext4_done(void)
{
	sys_unlink(TEMPLATE);
}

void ext4_grow(const char *mount, unsigned long sectors)
{
	unsigned long blocks = sectors / (BLOCK / SECTOR);
	int fd = sys_open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);

	must(sys_ioctl(fd, RESIZE_FS, &blocks), 0, "growing");
	sys_close(fd);
	sys0(__NR_sync);
}
