// SPDX-License-Identifier: GPL-2.0-only
/*
 * NVMe controllers for the library kernel's driver: registers, memory and
 * interrupts, set up by VFIO at start. Afterwards no host call is needed but to
 * sleep.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "nvme.h"
#include "vfio.h"

enum {
	CLASS_NVME = 0x010802,
	MSIX_ENTRY_BYTES = 16,
	MSIX_MASK_OFFSET = 12,		/* vector control: its bit 0 masks */
	/* Of all controllers: the one wait call has room for 64 descriptors. */
	EVENTS_MAX = 24,
};

static struct rt_nvme_device devices[RT_NVME_MAX];
static unsigned int device_count;

unsigned int rt_nvme_count(void)
{
	return device_count;
}

const struct rt_nvme_device *rt_nvme_device(unsigned int index)
{
	return &devices[index];
}

/* The table's words that mask; no table that can be mapped: no events. */
static unsigned int find_masks(struct rt_vfio *vfio, struct rt_nvme_device *device,
			       unsigned int wanted)
{
	struct rt_vfio_msix msix;
	volatile void *table = device->untrusted_bar;
	size_t bytes = device->bar_bytes;

	if (!rt_vfio_find_msix(vfio, &msix))
		return 0;
	if (msix.bar && rt_vfio_map_bar(vfio, msix.bar, &table, &bytes))
		return 0;
	if (wanted > msix.entries)
		wanted = msix.entries;
	if (msix.offset + (size_t)wanted * MSIX_ENTRY_BYTES > bytes)
		return 0;
	for (unsigned int i = 0; i < wanted; i++)
		device->untrusted_mask[i] = (volatile unsigned int *)
			((volatile char *)table + msix.offset +
			 i * MSIX_ENTRY_BYTES + MSIX_MASK_OFFSET);
	return wanted;
}

static int start_events(struct rt_vfio *vfio, struct rt_nvme_device *device, unsigned int wanted)
{
	unsigned int count = find_masks(vfio, device, wanted);

	for (unsigned int i = 0; i < count; i++) {
		device->events[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (device->events[i] < 0)
			return -errno;
	}
	if (count && rt_vfio_set_events(vfio, device->events, count))
		return -EIO;
	device->event_count = count;
	return 0;
}

static int start(struct rt_vfio *vfio, struct rt_nvme_device *device,
		 const struct rt_launch_nvme *launch, unsigned int cpus, unsigned int events)
{
	uint32_t class;
	int err;

	memcpy(device->address, launch->address, sizeof(device->address));
	device->readonly = launch->readonly;
	err = rt_vfio_open(vfio, launch->device, launch->container);
	if (!err)
		err = rt_vfio_class(vfio, &class);
	if (err)
		return err;
	if (class != CLASS_NVME) {
		vfio->failure = "it is no NVMe controller";
		return -ENODEV;
	}
	err = rt_vfio_enable(vfio);
	if (!err)
		err = rt_vfio_map_bar(vfio, 0, &device->untrusted_bar, &device->bar_bytes);
	if (!err)
		err = start_events(vfio, device, events < cpus + 1 ? events : cpus + 1);
	if (err)
		return err;
	device->dma_iova = RT_VFIO_IOVA;
	device->dma_bytes = libos_nvme_dma_bytes(cpus);
	return rt_vfio_map_memory(vfio, device->dma_bytes, &device->dma);
}

int rt_nvme_start(const struct rt_launch_nvme *launch, unsigned int count,
		  unsigned int cpus, char *error, size_t error_size)
{
	for (unsigned int i = 0; i < count; i++) {
		struct rt_vfio vfio = { .failure = NULL };
		int err = start(&vfio, &devices[i], &launch[i], cpus, EVENTS_MAX / count);

		if (err) {
			snprintf(error, error_size, "NVMe controller %s: %s (%s)", launch[i].address,
				 vfio.failure ? vfio.failure : "no descriptors left", strerror(-err));
			return err;
		}
	}
	device_count = count;
	return 0;
}
