// SPDX-License-Identifier: Apache-2.0
/* The kernel and the machine that PID 1's parsers meet in the targets init and sealed. */
#include "init_sys_stub.h"

#include "../../../enclave/runtime/init.h"

long sys_any(long nr, ...)
{
	return fuzz_kernel_says(nr);
}

int machine_error_fd(void)
{
	return 2;
}

int machine_mount(const char *source, const char *target, const char *fstype,
		  unsigned long flags, const char *data)
{
	return (int)fuzz_kernel_says(__NR_mount);
}
