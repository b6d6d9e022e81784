/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the owner of a sealed image vouches for, as the runtime hands it to the
 * library kernel, which checks it (kernel/sealed.c). Only basic C types here:
 * kernel and runtime both include this file.
 */
#ifndef _ASM_LIBOS_RUNTIME_SEALED_H
#define _ASM_LIBOS_RUNTIME_SEALED_H

/* In private memory, but for the executable, which is the host's file. */
struct rt_sealed {
	const unsigned char *certificate;	/* the owner's, X.509 in DER */
	unsigned long certificate_bytes;
	const char *document;		/* the sealed configuration: three lines */
	unsigned long document_bytes;
	const void *host_executable;	/* this enclave's */
	unsigned long host_executable_bytes;
};

/* NULL: the image is not sealed. */
const struct rt_sealed *rt_sealed(void);

#endif /* _ASM_LIBOS_RUNTIME_SEALED_H */
