// SPDX-License-Identifier: GPL-2.0-only
/* The launch record's values about the TEE. */
#include "launch_value.h"

#include <string.h>

int rt_launch_tee(struct rt_launch_check *p, const char *value)
{
	static const char *const names[] = {
		[RKTIO_TEE_PROCESS] = "process",
		[RKTIO_TEE_SNP] = "snp",
		[RKTIO_TEE_TDX] = "tdx",
	};

	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(value, names[i]))
			continue;
		p->launch->tee = i;
		return 0;
	}
	return rt_launch_refuse(p, "'%.64s' is none of process, snp, tdx", value);
}

int rt_launch_insecure_tsm(struct rt_launch_check *p, const char *value)
{
	p->launch->insecure_tsm = value;
	return rt_launch_cwd(p, value);	/* absolute */
}
