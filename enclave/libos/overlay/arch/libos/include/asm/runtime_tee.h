/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Evidence, as the runtime offers it to the library kernel. Only basic C types
 * here: kernel and runtime both include this file. Nothing of this sleeps or
 * touches FPU and TLS; one question at a time, the caller sees to that.
 */
#ifndef _ASM_LIBOS_RUNTIME_TEE_H
#define _ASM_LIBOS_RUNTIME_TEE_H

enum {
	RT_TEE_REPORT_DATA_BYTES = 64,
	RT_TEE_BLOB_BYTES_MAX = 32768,
};

/* What a TEE signed; the auxiliary blob lies behind the primary one. */
struct rt_tee_evidence {
	unsigned int primary_bytes;
	unsigned int auxiliary_bytes;
	unsigned char blobs[2 * RT_TEE_BLOB_BYTES_MAX];
};

/* A kind of uapi/linux/rktio_tee.h, which is in the launch record (tee=). */
unsigned int rt_tee_kind(void);

/*
 * Ask for evidence that is bound to the report data. 0; -EOPNOTSUPP where no
 * TEE is there to ask (what a process says of itself the kernel knows best);
 * another -errno where the question can't be asked.
 */
int rt_tee_ask(const unsigned char report_data[RT_TEE_REPORT_DATA_BYTES]);

/* The answer to the latest question: 0, -EAGAIN while there is none, or -errno. */
int rt_tee_answer(struct rt_tee_evidence *untrusted_ret);

#endif /* _ASM_LIBOS_RUNTIME_TEE_H */
