/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_HOSTCALL_ENTRY_H
#define _ASM_LIBOS_HOSTCALL_ENTRY_H
/*
 * Run fn(arg) as C of the host side: its FS base (TLS), its stack, and SIMD
 * registers saved where they are live. 100 to 200 ns: once per burst.
 */
extern long libos_hostcall(long (*fn)(void *), void *arg);
#endif
