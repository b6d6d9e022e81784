/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_RELAX_H
#define _ASM_LIBOS_RELAX_H
#ifndef __ASSEMBLY__
/*
 * Spinning on another CPU: its host thread may be descheduled, so yield to the
 * host now and then; and it may wait for an IPI of ours, so look at those too.
 */
extern void libos_relax(void);
#define cpu_relax() libos_relax()
#endif
#endif
