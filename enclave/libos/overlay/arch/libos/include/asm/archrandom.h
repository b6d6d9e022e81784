/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_ARCHRANDOM_H
#define _ASM_LIBOS_ARCHRANDOM_H
/* RDRAND and RDSEED only: entropy that the host does not hand out. */
extern size_t arch_get_random_longs(unsigned long *v, size_t max_longs);
extern size_t arch_get_random_seed_longs(unsigned long *v, size_t max_longs);
#endif
