/* SPDX-License-Identifier: MIT */
#ifndef _INTERNAL_LIBOS_H
#define _INTERNAL_LIBOS_H

#include <features.h>
#include <stddef.h>

/* Auxiliary vector: address of the library kernel's raw system-call entry. */
enum { AT_LIBOS_SYSCALL = 0x6c6f };

/* Once, before the first system call and before RELRO is write-protected. */
hidden void __libos_init(const size_t *auxv);

#endif
