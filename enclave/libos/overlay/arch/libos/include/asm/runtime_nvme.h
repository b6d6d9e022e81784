/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * NVMe controllers, as the runtime hands them to the library kernel: registers
 * and memory that the device sees, both mapped. All further work is the
 * kernel's; no call here allocates, sleeps, or touches FPU and TLS. Only basic
 * C types: kernel and runtime both include this file.
 */
#ifndef _ASM_LIBOS_RUNTIME_NVME_H
#define _ASM_LIBOS_RUNTIME_NVME_H

enum {
	RT_NVME_MAX = 4,		/* controllers */
	RT_NVME_EVENTS_MAX = 65,	/* admin, and one per CPU */
};

struct rt_nvme_device {
	char address[16];		/* 0000:BB:DD.F, for messages */
	_Bool readonly;
	volatile void *untrusted_bar;
	unsigned long bar_bytes;
	/* All that the device can reach of this process. */
	void *dma;
	unsigned long dma_bytes;
	unsigned long long dma_iova;
	/*
	 * Descriptors that become readable by an interrupt, and the word of
	 * the MSI-X table that masks it; no events: it can't be slept on.
	 */
	unsigned int event_count;
	int events[RT_NVME_EVENTS_MAX];
	volatile unsigned int *untrusted_mask[RT_NVME_EVENTS_MAX];
};

/* What @cpus CPUs want: bytes of device-visible memory for one controller. */
unsigned long libos_nvme_dma_bytes(unsigned int cpus);

unsigned int rt_nvme_count(void);
const struct rt_nvme_device *rt_nvme_device(unsigned int index);

/* wait.c: @event, an eventfd, ends a sleep, and is read by whoever wakes. */
void rt_wait_add_event(int event);

/* For --stats: the kernel's driver counts, the runtime prints. */
struct rt_nvme_stats {
	unsigned long long commands, read_bytes, written_bytes, flushes, armed;
};
extern struct rt_nvme_stats libos_nvme_stats;

#endif /* _ASM_LIBOS_RUNTIME_NVME_H */
