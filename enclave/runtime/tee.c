// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asks the agent for evidence, in the library kernel's name. It is as much
 * outside the enclave as the host is: what it answers is bounded here, and
 * judged by the owner.
 */
#include <errno.h>
#include <stddef.h>
#include <sys/uio.h>

#include "hostcall.h"
#include "tee.h"

struct rt_tee rt_tee = { .kind = RKTIO_TEE_PROCESS, .socket = -1 };

enum { ERRNO_MAX = 4095 };

unsigned int rt_tee_kind(void)
{
	return rt_tee.kind;
}

int rt_tee_ask(const unsigned char report_data[RT_TEE_REPORT_DATA_BYTES])
{
	struct rt_tee_question question;
	long n;

	if (rt_tee.socket < 0)
		return -EOPNOTSUPP;
	question.number = ++rt_tee.number;
	for (int i = 0; i < RT_TEE_REPORT_DATA_BYTES; i++)
		question.report_data[i] = report_data[i];
	do {
		n = hostcall_write(rt_tee.socket, &question, sizeof(question));
	} while (n == -EINTR);
	if (n == (long)sizeof(question))
		return 0;
	return n < 0 && n >= -ERRNO_MAX ? n : -EIO;
}

/* One reply with its blobs, whatever question it answers; its bytes or -errno. */
static long receive(struct rt_tee_reply *untrusted, unsigned char *blobs)
{
	const struct iovec parts[] = {
		{ untrusted, sizeof(*untrusted) },
		{ blobs, 2 * RT_TEE_BLOB_BYTES_MAX },
	};
	long n;

	do {
		n = hostcall_readv(rt_tee.socket, parts, 2);
	} while (n == -EINTR);
	if (n < 0)
		return n >= -ERRNO_MAX ? n : -EIO;
	if (!n)
		return -EPIPE;		/* the agent is gone */
	return n < (long)sizeof(*untrusted) ||
	       n > (long)sizeof(*untrusted) + 2 * RT_TEE_BLOB_BYTES_MAX ? -EBADMSG : n;
}

int rt_tee_answer(struct rt_tee_evidence *untrusted_ret)
{
	struct rt_tee_reply untrusted;
	unsigned long blobs;
	long n;

	if (rt_tee.socket < 0)
		return -EOPNOTSUPP;
	do {
		n = receive(&untrusted, untrusted_ret->blobs);
		if (n < 0)
			return n;
		/* A question whose asker was killed may still have been answered. */
	} while (untrusted.number != rt_tee.number);
	if (untrusted.error)
		return untrusted.error < 0 && untrusted.error >= -ERRNO_MAX ? untrusted.error : -EIO;
	blobs = n - sizeof(untrusted);
	if (untrusted.primary_bytes > RT_TEE_BLOB_BYTES_MAX ||
	    untrusted.auxiliary_bytes > RT_TEE_BLOB_BYTES_MAX ||
	    untrusted.primary_bytes + untrusted.auxiliary_bytes != blobs)
		return -EBADMSG;
	untrusted_ret->primary_bytes = untrusted.primary_bytes;
	untrusted_ret->auxiliary_bytes = untrusted.auxiliary_bytes;
	return 0;
}
