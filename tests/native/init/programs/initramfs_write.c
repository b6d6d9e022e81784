// SPDX-License-Identifier: Apache-2.0
/* Writes the initramfs for the record on standard input to standard output. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "initramfs.h"
#include "launch.h"

int main(void)
{
	static char record[LAUNCH_BYTES_MAX];
	struct rt_launch launch = { .record = record };
	size_t size, written;
	char *archive;

	launch.record_bytes = fread(record, 1, sizeof(record), stdin);
	launch.keys = memmem(record, launch.record_bytes, "keys=", 5);
	size = rt_initramfs_size(&launch);
	archive = malloc(size);
	if (!archive || rt_initramfs_build(archive, size - 1, &launch) ||
	    rt_initramfs_build(archive, size, &launch) != size)
		return 1;
	written = fwrite(archive, 1, size, stdout);
	free(archive);
	return written != size;
}
