// SPDX-License-Identifier: GPL-2.0-only
/* Readies what the owner vouches for, and keys for development; libc is at hand. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../libos/overlay/arch/libos/include/asm/runtime_sealed.h"
#include "launch.h"
#include "runtime.h"
#include "sealed.h"

static struct rt_sealed sealed;

const struct rt_sealed *rt_sealed(void)
{
	return sealed.document ? &sealed : NULL;
}

/* What is hashed is what the host shows as our file, as a TEE's loader would. */
static void map_executable(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *start;

	if (fd < 0 || fstat(fd, &st))
		rt_fail("measurement: cannot read the enclave's executable: %s", strerror(errno));
	start = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (start == MAP_FAILED)
		rt_fail("measurement: cannot map the enclave's executable: %s", strerror(errno));
	close(fd);
	sealed.host_executable = start;
	sealed.host_executable_bytes = st.st_size;
}

static void read_keys(struct rt_launch *launch)
{
	static char keys[LAUNCH_KEYS_BYTES_MAX + 1];
	size_t len = 0;
	ssize_t n;

	do {
		n = read(launch->insecure_keys_fd, keys + len, sizeof(keys) - len);
		if (n < 0)
			rt_fail("keys: the key file cannot be read: %s", strerror(errno));
		len += n;
	} while (n && len < sizeof(keys));
	close(launch->insecure_keys_fd);
	if (!len || len == sizeof(keys))
		rt_fail("keys: the key file has %zu bytes or more; 1 to %d are expected", len,
			LAUNCH_KEYS_BYTES_MAX);
	launch->insecure_keys = keys;
	launch->insecure_keys_bytes = len;
}

/* The lock-down makes us undumpable too; secrets must not wait for it. */
static void refuse_core_files(void)
{
	const struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
}

void rt_sealed_start(struct rt_launch *launch)
{
	if (launch->insecure_keys_fd >= 0 || launch->keys)
		refuse_core_files();
	if (launch->insecure_keys_fd >= 0)
		read_keys(launch);
	if (!launch->sealed_config)
		return;
	map_executable();
	sealed.certificate = launch->certificate;
	sealed.certificate_bytes = launch->certificate_bytes;
	sealed.document_bytes = strlen(launch->sealed_config);
	sealed.document = launch->sealed_config;
}

void rt_sealed_start_wipe(struct rt_launch *launch)
{
	if (launch->insecure_keys)
		explicit_bzero(launch->insecure_keys, launch->insecure_keys_bytes);
	launch->insecure_keys_bytes = 0;
}
