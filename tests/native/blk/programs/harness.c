// SPDX-License-Identifier: Apache-2.0
/*
 * The disks of the runtime without a kernel on top: blk*.c linked to a plain
 * program that works real files through a real host.
 *
 *	harness [-d] [-r] [-s] [-v] [-b BYTES] COMMAND FILE [ARG]
 *
 * -d direct, -r read-only, -s synchronous (io_uring is denied by seccomp),
 * -v vhost-user (FILE is the socket of an attendant), -b claims a size. FILE is a path, or @N: descriptor N. Exit
 * status 0: the command's promise held.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk.h"

enum { RAM_BYTES = 64 << 20 };

char *ram;
unsigned int the_ring;

static void open_ram(void)
{
	/* As the library kernel's RAM: shared, from a file. */
	int fd = memfd_create("ram", MFD_CLOEXEC);

	CHECK(fd >= 0 && !ftruncate(fd, RAM_BYTES));
	ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(ram != MAP_FAILED);
}

static void open_disk(const char *path, struct rt_launch_disk disk,
		      uint64_t claimed_bytes)
{
	char error[200];
	struct stat st;

	if (path[0] == '@')
		disk.fd = atoi(path + 1);
	else
		disk.fd = open(path, (disk.readonly ? O_RDONLY : O_RDWR) |
					     (disk.direct ? O_DIRECT : 0));
	if (disk.fd < 0) {
		perror(path);
		exit(2);
	}
	CHECK(!fstat(disk.fd, &st));
	disk.size_bytes = claimed_bytes ? claimed_bytes : (uint64_t)st.st_size;
	if (rt_blk_start(&disk, 1, 1, error, sizeof(error))) {
		fprintf(stderr, "%s\n", error);
		exit(2);
	}
	the_ring = rt_blk_ring_of(0, 0);
}

static int print_info(const char *argument)
{
	const struct rt_blk_disk_info *info = rt_blk_disk(0);

	printf("%s size=%llu block=%u align=%u readonly=%d discard=%d\n",
	       rt_blk_uses_io_uring() ? "io_uring" : "synchronous",
	       info->size_bytes, info->logical_block_bytes,
	       info->memory_align_bytes, info->readonly, info->discard_max_bytes != 0);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(const char *argument);
} commands[] = {
	{ "info", print_info },
	{ "hammer", hammer },
	{ "fill", fill },
	{ "ends", read_past_the_end },
	{ "journal", journal },
	{ "read-iops", bench_read },
	{ "write-iops", bench_write },
	{ "ask-for-more", ask_for_more },
};

int main(int argc, char **argv)
{
	struct rt_launch_disk disk = { 0 };
	uint64_t claimed_bytes = 0;
	int option;

	while ((option = getopt(argc, argv, "drsvb:")) != -1) {
		switch (option) {
		case 'd':
			disk.direct = true;
			break;
		case 'r':
			disk.readonly = true;
			break;
		case 's':
			deny_io_uring();
			break;
		case 'v':
			disk.vhost = true;
			break;
		case 'b':
			claimed_bytes = strtoull(optarg, NULL, 0);
			break;
		default:
			return 2;
		}
	}
	if (argc - optind < 2)
		return 2;
	open_ram();
	open_disk(argv[optind + 1], disk, claimed_bytes);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(argv[optind], commands[i].name))
			return commands[i].run(argv[optind + 2]);
	return 2;
}
