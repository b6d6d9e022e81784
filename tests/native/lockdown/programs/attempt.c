// SPDX-License-Identifier: Apache-2.0
/*
 * attempt plain|full|shared NUMBER [ARGUMENT...]: locks itself down as an enclave and
 * makes one raw call. Descriptor 20 is the RAM file, 21 may be read, written
 * and synced, 30 and 31 are rings, 0 the terminal,
 * 40 and 41 a vhost-user peer's in `shared`; "self" is our process id.
 */
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../../../enclave/runtime/lockdown_filter.h"

enum { RAM_BYTES = 64 << 20, RAM = 20, FILE_FD = 21, RING = 30, PEER = 40 };

static long call(long number, const unsigned long *a)
{
	register long r10 asm("r10") = a[3];
	register long r8 asm("r8") = a[4];
	register long r9 asm("r9") = a[5];
	long ret;

	asm volatile("syscall"
		     : "=a" (ret)
		     : "a" (number), "D" (a[0]), "S" (a[1]), "d" (a[2]), "r" (r10), "r" (r8), "r" (r9)
		     : "rcx", "r11", "memory");
	return ret;
}

static void configure_shared(struct rt_filter_config *config)
{
	for (int fd = PEER; fd <= PEER + 1; fd++) {
		rt_fd_set_add(&config->received, fd);
		rt_fd_set_add(&config->readable, fd);
		rt_fd_set_add(&config->writable, fd);
	}
}

static void configure(struct rt_filter_config *config, int full)
{
	config->ram_bytes = RAM_BYTES;
	config->ram_fd = RAM;
	config->process = getpid();
	config->terminal_fd = full ? 0 : -1;
	config->cpus = full ? 2 : 1;
	rt_fd_set_add(&config->readable, 0);
	rt_fd_set_add(&config->readable, FILE_FD);
	rt_fd_set_add(&config->writable, 2);
	rt_fd_set_add(&config->writable, 1);
	rt_fd_set_add(&config->writable, FILE_FD);
	if (!full)
		return;
	rt_fd_set_add(&config->rings, RING + 1);
	rt_fd_set_add(&config->rings, RING);
	rt_fd_set_add(&config->synced, FILE_FD);
}

int main(int argc, char **argv)
{
	static struct rt_filter_config config;
	static struct rt_filter filter;
	struct sock_fprog program;
	unsigned long a[6] = { 0 };
	int i;

	if (argc < 3 || argc > 9)
		return 2;
	for (i = 3; i < argc; i++)
		a[i - 3] = strcmp(argv[i], "self") ? strtoul(argv[i], NULL, 0) : (unsigned long)getpid();
	prctl(PR_SET_DUMPABLE, 0);
	dup2(memfd_create("ram", 0), RAM);
	if (ftruncate(RAM, RAM_BYTES))
		return 2;
	dup2(open("/dev/null", O_RDWR), FILE_FD);
	dup2(FILE_FD, PEER);
	configure(&config, !strcmp(argv[1], "full"));
	if (!strcmp(argv[1], "shared"))
		configure_shared(&config);
	if (rt_filter_build(&filter, &config))
		return 2;
	program.len = filter.length;
	program.filter = filter.code;
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program))
		return 2;
	if (!strcmp(argv[2], "int80"))
		asm volatile("int $0x80" :: "a" (20) : "memory");
	else
		call(strtol(argv[2], NULL, 0), a);
	call(SYS_exit_group, (unsigned long[6]){ 0 });
}
