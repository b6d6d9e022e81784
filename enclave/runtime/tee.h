/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the runtime knows of the TEE that it runs in, in one place:
 *
 *		process		snp, tdx (inside a confidential VM)
 * measure	kernel/sealed.c	the TEE's firmware, of the whole VM
 * evidence	a plain claim	the VM kernel's configfs-tsm, by an agent
 * random	host + RDRAND	RDRAND has to work; the VM kernel's is mixed in
 * clock	the host's, once	the VM kernel's, once: trusted as far as the VM's is
 *
 * Nothing that decides over a key looks at the clock: broker and owner are
 * known by pinned certificates and keys, not by dates.
 *
 * configfs takes a question in when its file is closed, and the lock-down has
 * no row for open and close. So a child asks, forked before the lock-down; it
 * shares no memory with the enclave and dies with it. The enclave reaches it
 * through one socket, by the rows for reading and writing.
 */
#ifndef RT_TEE_H
#define RT_TEE_H

#include <stdint.h>

#include "../libos/overlay/arch/libos/include/asm/runtime_tee.h"
#include "../libos/overlay/include/uapi/linux/rktio_tee.h"

struct rt_launch;

/* One message each way; a number matches answer and question. */
struct rt_tee_question {
	uint64_t number;
	unsigned char report_data[RT_TEE_REPORT_DATA_BYTES];
};

struct rt_tee_reply {			/* followed by the blobs */
	uint64_t number;
	int32_t error;			/* 0 or -errno */
	uint32_t primary_bytes, auxiliary_bytes;
	uint32_t reserved;
};

struct rt_tee {
	enum rktio_tee kind;
	int socket;			/* to the agent; -1: there is none */
	uint64_t number;		/* of the latest question */
};
extern struct rt_tee rt_tee;

/* Before memory and threads are made: start the agent where there is a TEE. */
void rt_tee_start(const struct rt_launch *launch);

/* Fill @seed by the TEE's policy, or leave by rt_fail(). */
void rt_tee_start_random(unsigned char *seed, unsigned long bytes);

/* tee_agent.c: the child, which answers questions on @socket until it closes. */
void rt_tee_agent(const char *folder, int socket) __attribute__((noreturn));

/* Whether @folder has a provider called @provider, or why not, by rt_fail(). */
void rt_tee_agent_probe(const char *folder, const char *provider);

#endif /* RT_TEE_H */
