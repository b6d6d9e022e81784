/* SPDX-License-Identifier: MIT */
/* Finds the library kernel's entry in the auxiliary vector. */
#include "libos.h"

extern hidden size_t __libos_syscall;

/*
 * Runs before there is a thread pointer, so neither errno nor a stack
 * protector may be touched.
 */
void __libos_init(const size_t *auxv)
{
	for (; auxv[0]; auxv += 2)
		if (auxv[0] == AT_LIBOS_SYSCALL && auxv[1])
			__libos_syscall = auxv[1];
}
