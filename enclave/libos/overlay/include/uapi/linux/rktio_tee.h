/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * /dev/rktio-tee: evidence of what this enclave is. Write the report data that
 * it shall be bound to, then read the whole of the answer with one read().
 * A read before the first write tells the kind of TEE, with nothing behind it.
 */
#ifndef _UAPI_LINUX_RKTIO_TEE_H
#define _UAPI_LINUX_RKTIO_TEE_H

#include <linux/types.h>

#define RKTIO_TEE_REPORT_DATA_BYTES	64
#define RKTIO_TEE_BLOB_BYTES_MAX	32768

enum rktio_tee {
	RKTIO_TEE_PROCESS,	/* none: asking fails with EOPNOTSUPP, as nobody would sign */
	RKTIO_TEE_SNP,		/* attestation report; certificates in the GHCB's table */
	RKTIO_TEE_TDX,		/* quote */
};

/* Followed by the two blobs. */
struct rktio_tee_evidence {
	__u32 tee;		/* enum rktio_tee */
	__u32 primary_bytes;
	__u32 auxiliary_bytes;
	__u32 reserved;		/* 0 */
};

#endif /* _UAPI_LINUX_RKTIO_TEE_H */
