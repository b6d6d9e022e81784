/* SPDX-License-Identifier: GPL-2.0-only */
/* NVMe controllers at start-up; the library kernel sees asm/runtime_nvme.h only. */
#ifndef RT_NVME_H
#define RT_NVME_H

#include <stddef.h>
#include <stdint.h>

#include "../libos/overlay/arch/libos/include/asm/runtime_nvme.h"

/* One controller of the launch record, as VFIO's descriptors. */
struct rt_launch_nvme {
	int device;
	int container;
	_Bool readonly;
	char address[16];
};

/*
 * Start-up, before the lock-down: map registers and memory of each controller.
 * Returns 0, or -errno with one line (no newline) for the user in @error.
 */
int rt_nvme_start(const struct rt_launch_nvme *launch, unsigned int count,
		  unsigned int cpus, char *error, size_t error_size);

#endif /* RT_NVME_H */
