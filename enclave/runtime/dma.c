// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory that a back end in another process shares with the enclave. A
 * memfd of its own, so that a hostile back end finds ring entries and frames in
 * it, and no pointer, length or state that anything in here relies on.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dma.h"

enum {
	PAGE_BYTES = 4096,
	RANGES_MAX = 9,		/* our own, or eight of a peer's and EAL's */
};

struct range {
	uintptr_t start, end;
};

static struct rt_dma dma = { .fd = -1 };
static struct range ranges[RANGES_MAX];

const struct rt_dma *rt_dma(void)
{
	return &dma;
}

int rt_dma_start(size_t bytes)
{
	void *base;

	dma.fd = memfd_create("rkt-io-dma", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (dma.fd < 0)
		return -errno;
	if (ftruncate(dma.fd, (off_t)bytes) ||
	    fcntl(dma.fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return -errno;
	base = mmap((void *)RT_DMA_BASE, bytes, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_FIXED_NOREPLACE, dma.fd, 0);
	if (base == MAP_FAILED)
		return -errno;
	dma.base = base;
	dma.bytes = bytes;
	return rt_dma_allow(base, bytes);
}

void *rt_dma_alloc(size_t bytes)
{
	char *ret = dma.base + dma.used;

	bytes = (bytes + PAGE_BYTES - 1) & ~(size_t)(PAGE_BYTES - 1);
	if (bytes > dma.bytes - dma.used)
		return NULL;
	dma.used += bytes;
	return ret;
}

int rt_dma_allow(const void *start, size_t bytes)
{
	for (int i = 0; i < RANGES_MAX; i++) {
		if (ranges[i].end)
			continue;
		ranges[i].start = (uintptr_t)start;
		ranges[i].end = (uintptr_t)start + bytes;
		return 0;
	}
	return -ENOSPC;
}

void rt_dma_forbid(const void *start)
{
	for (int i = 0; i < RANGES_MAX; i++)
		if (ranges[i].start == (uintptr_t)start)
			ranges[i] = (struct range){ 0 };
}

int rt_dma_contains(const void *addr, size_t len)
{
	uintptr_t start = (uintptr_t)addr;

	for (int i = 0; i < RANGES_MAX; i++)
		if (start >= ranges[i].start && start <= ranges[i].end &&
		    len <= ranges[i].end - start)
			return 1;
	return 0;
}
