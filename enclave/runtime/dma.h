/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a network back end may see: the DMA region that it is given, and the
 * check that a frame lies in memory that is meant for frames.
 */
#ifndef RT_DMA_H
#define RT_DMA_H

#include <stddef.h>
#include <stdint.h>

#include "eal.h"

/* Where the region of a shared-memory port lies, above all that EAL reserves. */
#define RT_DMA_BASE	(RT_EAL_BASE + RT_EAL_SPAN)
/* ... and where a vhost port maps the memory of its peer. */
#define RT_DMA_PEER_BASE	(RT_DMA_BASE + 0x1000000000UL)
/* ... each region of it with so much address space, and how many there may be. */
#define RT_DMA_PEER_SPAN	0x1000000000UL
#define RT_DMA_PEER_REGIONS	8
#define RT_DMA_PEER_END		(RT_DMA_PEER_BASE + RT_DMA_PEER_REGIONS * RT_DMA_PEER_SPAN)

struct rt_dma {
	int fd;			/* sealed: nobody can cut the memory off */
	char *base;
	size_t bytes;
	size_t used;
};

/*
 * Make the one region that is shared with a back end. Nothing else of the
 * process, DPDK's tables and mbuf headers included, is ever given away.
 * Start-up only. Returns 0 or -errno.
 */
int rt_dma_start(size_t bytes);

/* The region; its fd is -1 when there is none. */
const struct rt_dma *rt_dma(void);

/* @bytes of the region, page-aligned and zeroed; NULL when it is full. */
void *rt_dma_alloc(size_t bytes);

/* Frames may also lie in [start, start + bytes), from now on or no more. */
int rt_dma_allow(const void *start, size_t bytes);
void rt_dma_forbid(const void *start);

/* Whether frames may lie in [addr, addr + len). */
int rt_dma_contains(const void *addr, size_t len);

#endif /* RT_DMA_H */
