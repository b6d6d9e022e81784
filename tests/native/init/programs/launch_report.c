// SPDX-License-Identifier: Apache-2.0
/* Prints what the runtime makes of the launch record in descriptor argv[1]. */
#include <stdio.h>

#include "launch.h"

int main(int argc, char **argv)
{
	/* As in the enclave, the record is there to the end. */
	static struct rt_launch launch;

	rt_launch_read(argc > 1 ? argv[1] : NULL, &launch);
	printf("memory_bytes=%lu\ncpus=%u\npoll=%d\nloglevel=%u\nstats=%d\ntty=%d\n",
	       launch.memory_bytes, launch.cpus, launch.poll, launch.loglevel,
	       launch.stats, launch.tty);
	for (unsigned int i = 0; i < launch.disk_count; i++)
		printf("disk=%s:%s:%lu\n", launch.disks[i].readonly ? "ro" : "rw",
		       launch.disks[i].direct ? "direct" : "buffered",
		       launch.disks[i].size_bytes);
	if (launch.net.present)
		printf("net=%02x%02x:%u\n", launch.net.mac[0], launch.net.mac[5],
		       launch.net.mtu);
	printf("record_bytes=%zu\n", launch.record_bytes);
	return 0;
}
