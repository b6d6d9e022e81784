/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Devices that the launcher opened by VFIO. All of it is start-up: afterwards
 * registers and memory are mapped, and no call of the host is needed.
 */
#ifndef RT_VFIO_H
#define RT_VFIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dma.h"

/* Where the memory of VFIO devices lies, above that of shared-memory ports. */
#define RT_VFIO_BASE	(RT_DMA_BASE + 0x10000000000UL)
/* Its address for the devices: above 4 GiB, below what any IOMMU can do. */
#define RT_VFIO_IOVA	0x100000000UL

/* One PCI function. */
struct rt_vfio {
	int device;		/* descriptors: VFIO's device, its container */
	int container;
	uint64_t config;	/* offset of its configuration space */
	const char *failure;	/* what did not work, after an error */
};

int rt_vfio_open(struct rt_vfio *vfio, int device, int container);

/* Class, subclass and programming interface, as in sysfs. */
int rt_vfio_class(struct rt_vfio *vfio, uint32_t *ret_class);

/* Let the function answer to memory accesses, and make its own. */
int rt_vfio_enable(struct rt_vfio *vfio);

/* Map a memory region of the function. */
int rt_vfio_map_bar(struct rt_vfio *vfio, unsigned int bar, volatile void **ret_start,
		    size_t *ret_bytes);

/*
 * Memory of our own that the function, and nobody else, can reach too. Sealed
 * in its size; of huge pages where the host has some to spare.
 */
int rt_vfio_map_memory(struct rt_vfio *vfio, size_t bytes, void **ret_start);

/* Where the MSI-X table is; false: the function has none. */
struct rt_vfio_msix {
	unsigned int bar, offset, entries;
};
bool rt_vfio_find_msix(struct rt_vfio *vfio, struct rt_vfio_msix *ret);

/* Have the first @count interrupts of MSI-X make these descriptors readable. */
int rt_vfio_set_events(struct rt_vfio *vfio, const int *events, unsigned int count);

#endif /* RT_VFIO_H */
