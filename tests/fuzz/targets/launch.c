// SPDX-License-Identifier: Apache-2.0
/* The launch record: any bytes at all are parsed, or refused with one printable line. */
#include "../../../enclave/runtime/launch.h"
#include "input.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* What a launcher opens: a file of a disk, and a socket. */
enum { FILE_FD = 200, SOCKET_FD };

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	int file = memfd_create("disk", 0);

	(void)argc;
	(void)argv;
	CHECK(!ftruncate(file, 1 << 20));
	CHECK(dup2(file, FILE_FD) == FILE_FD);
	CHECK(dup2(socket(AF_UNIX, SOCK_STREAM, 0), SOCKET_FD) == SOCKET_FD);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rt_launch launch;
	char error[200] = "", *record = malloc(size + 1);

	/* Exactly as long as it is, so that the sanitizer sees a step too far. */
	memcpy(record, data, size);
	record = realloc(record, size ? size : 1);
	if (rt_launch_parse(record, size, &launch, error, sizeof(error))) {
		CHECK(error[0]);
		for (const char *c = error; *c; c++)
			CHECK(*c >= ' ' && *c <= '~');
	} else {
		CHECK(launch.cpus && launch.cpus <= LAUNCH_CPUS_MAX);
		CHECK(launch.disk_count <= LAUNCH_DISKS_MAX);
		CHECK(launch.memory_bytes % LAUNCH_MEMORY_UNIT == 0);
	}
	free(record);
	return 0;
}
