// SPDX-License-Identifier: GPL-2.0-only
/*
 * A PCI function through VFIO (linux/vfio.h, type 1 IOMMU). The host answers
 * these calls, so what it says is bounded before it is used; the IOMMU keeps
 * the function to the memory that is mapped here.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vfio.h"

enum {
	HUGE_PAGE_BYTES = 2 << 20,
	CAPABILITIES_MAX = 48,
};

/* 256 MiB: no register file is larger; prefetchable memory is not mapped. */
static const uint64_t bar_bytes_max = 1UL << 28;

static uintptr_t next_memory = RT_VFIO_BASE;

static int fail(struct rt_vfio *vfio, int err, const char *what)
{
	vfio->failure = what;
	return err;
}

static int read_config(struct rt_vfio *vfio, unsigned int offset, void *ret, size_t bytes)
{
	ssize_t n = pread(vfio->device, ret, bytes, (off_t)(vfio->config + offset));

	return n == (ssize_t)bytes ? 0 : fail(vfio, n < 0 ? -errno : -EIO,
					      "its configuration can't be read");
}

int rt_vfio_open(struct rt_vfio *vfio, int device, int container)
{
	struct vfio_region_info region = {
		.argsz = sizeof(region),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};

	*vfio = (struct rt_vfio){ .device = device, .container = container };
	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &region))
		return fail(vfio, -errno, "the descriptor is no device of VFIO");
	vfio->config = region.offset;
	return 0;
}

int rt_vfio_class(struct rt_vfio *vfio, uint32_t *ret_class)
{
	uint32_t word;
	int err = read_config(vfio, PCI_CLASS_REVISION, &word, sizeof(word));

	*ret_class = word >> 8;
	return err;
}

int rt_vfio_enable(struct rt_vfio *vfio)
{
	uint16_t command;
	int err = read_config(vfio, PCI_COMMAND, &command, sizeof(command));

	if (err)
		return err;
	command |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	if (pwrite(vfio->device, &command, sizeof(command),
		   (off_t)(vfio->config + PCI_COMMAND)) != sizeof(command))
		return fail(vfio, -errno, "it can't be enabled");
	return 0;
}

int rt_vfio_map_bar(struct rt_vfio *vfio, unsigned int bar, volatile void **ret_start,
		    size_t *ret_bytes)
{
	struct vfio_region_info region = { .argsz = sizeof(region), .index = bar };
	void *start;

	if (ioctl(vfio->device, VFIO_DEVICE_GET_REGION_INFO, &region))
		return fail(vfio, -errno, "its registers can't be found");
	if (!(region.flags & VFIO_REGION_INFO_FLAG_MMAP) || !region.size ||
	    region.size > bar_bytes_max)
		return fail(vfio, -ENODEV, "its registers can't be mapped");
	start = mmap(NULL, region.size, PROT_READ | PROT_WRITE, MAP_SHARED,
		     vfio->device, (off_t)region.offset);
	if (start == MAP_FAILED)
		return fail(vfio, -errno, "its registers can't be mapped");
	*ret_start = start;
	*ret_bytes = region.size;
	return 0;
}

/* Map a new file of @bytes at the next place; 0, or -errno. */
static int map_file(size_t bytes, unsigned int flags, void **ret_start)
{
	int fd = memfd_create("rkt-io-vfio", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);
	void *start = MAP_FAILED;
	int err = 0;

	if (fd < 0)
		return -errno;
	if (!ftruncate(fd, (off_t)bytes) &&
	    !fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		start = mmap((void *)next_memory, bytes, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE, fd, 0);
	if (start == MAP_FAILED)
		err = -errno;
	close(fd);
	*ret_start = start;
	return err;
}

int rt_vfio_map_memory(struct rt_vfio *vfio, size_t bytes, void **ret_start)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.iova = RT_VFIO_IOVA,
	};
	int err;

	bytes = (bytes + HUGE_PAGE_BYTES - 1) & ~(size_t)(HUGE_PAGE_BYTES - 1);
	err = map_file(bytes, MFD_HUGETLB, ret_start);
	if (err)
		err = map_file(bytes, 0, ret_start);
	if (err)
		return fail(vfio, err, "there is no memory for it");
	next_memory += bytes;
	map.vaddr = (uintptr_t)*ret_start;
	map.size = bytes;
	if (ioctl(vfio->container, VFIO_IOMMU_MAP_DMA, &map))
		return fail(vfio, -errno, errno == ENOMEM ?
			    "its memory can't be locked; raise the limit (ulimit -l)" :
			    "the IOMMU can't map its memory");
	return 0;
}

bool rt_vfio_find_msix(struct rt_vfio *vfio, struct rt_vfio_msix *ret)
{
	uint8_t at, header[2];
	uint16_t control;
	uint32_t table;

	if (read_config(vfio, PCI_CAPABILITY_LIST, &at, 1))
		return false;
	for (int i = 0; at >= PCI_STD_HEADER_SIZEOF && i < CAPABILITIES_MAX; i++) {
		if (read_config(vfio, at & ~3U, header, sizeof(header)))
			return false;
		if (header[0] == PCI_CAP_ID_MSIX)
			break;
		at = header[1];
	}
	if (at < PCI_STD_HEADER_SIZEOF || header[0] != PCI_CAP_ID_MSIX ||
	    read_config(vfio, (at & ~3U) + PCI_MSIX_FLAGS, &control, sizeof(control)) ||
	    read_config(vfio, (at & ~3U) + PCI_MSIX_TABLE, &table, sizeof(table)))
		return false;
	ret->bar = table & PCI_MSIX_TABLE_BIR;
	ret->offset = table & PCI_MSIX_TABLE_OFFSET;
	ret->entries = (control & PCI_MSIX_FLAGS_QSIZE) + 1;
	return ret->bar <= VFIO_PCI_BAR5_REGION_INDEX;
}

int rt_vfio_set_events(struct rt_vfio *vfio, const int *events, unsigned int count)
{
	size_t bytes = sizeof(struct vfio_irq_set) + count * sizeof(int);
	struct vfio_irq_set *set = calloc(1, bytes);
	int err = 0;

	if (!set)
		return fail(vfio, -ENOMEM, "out of memory");
	set->argsz = bytes;
	set->flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	set->index = VFIO_PCI_MSIX_IRQ_INDEX;
	set->count = count;
	memcpy(set->data, events, count * sizeof(int));
	if (ioctl(vfio->device, VFIO_DEVICE_SET_IRQS, set))
		err = fail(vfio, -errno, "it gets no interrupts");
	free(set);
	return err;
}
