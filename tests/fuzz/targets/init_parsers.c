// SPDX-License-Identifier: Apache-2.0
/*
 * init.c's other half, apart from libc, whose headers PID 1's can't stand:
 * PID 1's own parsers: the record, its texts and numbers, addresses, mounts,
 * sysctls. PID 1 trusts the runtime to have checked the record, and must not
 * fall over all the same: what it reads here was not checked.
 */
#include "init_sys_stub.h"

#include "../../../enclave/runtime/init_text.c"
#include "../../../enclave/runtime/init_record.c"
#include "../../../enclave/runtime/init_addr.c"
#include "../../../enclave/runtime/init_mount.c"
#include "../../../enclave/runtime/init_setting.c"

/* The name of a namespace stays what the record says. */
void nvme_find(char *device, size_t size)
{
	if (text_len(device) >= size)
		__builtin_trap();
}

/* What a sealed image is to init_mount.c: the target sealed has its parsers. */
bool sealed_mount(const char *target)
{
	return !fuzz_kernel_says(__NR_mount);
}

bool data_has_upper(void)
{
	return !fuzz_kernel_says(__NR_mount);
}

void overlay_mount(const char *bytes, const char *target)
{
}

void fuzz_init_parse(const char *start, size_t len);

void fuzz_init_parse(const char *start, size_t len)
{
	static const char *const keys[] = { "arg", "env", "disk", "mount", "sysctl", "dns" };
	struct address address;
	char field[16];

	record.start = start;
	record.len = len;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *value = NULL, *rest;

		while ((value = record_next(keys[i], value))) {
			address_parse(value, &address);
			text_number(value);
			for (rest = value; text_field(&rest, ':', field, sizeof(field));)
				if (text_len(field) >= sizeof(field))
					__builtin_trap();
		}
		if (record_count(keys[i]) > len)
			__builtin_trap();
	}
	set_sysctls();
	set_name_servers();
	mount_disks();
}
