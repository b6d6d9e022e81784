// SPDX-License-Identifier: Apache-2.0
/*
 * tee_drive process|snp|tdx FOLDER: starts the TEE's back end as an enclave
 * does, asks for evidence for 64 bytes of 'r', and prints kind and blobs in
 * hexadecimal, or the error's number.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launch.h"
#include "runtime.h"
#include "tee.h"

int rt_process;

void rt_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(125);
}

static void print(const unsigned char *bytes, size_t length)
{
	putchar(' ');
	for (size_t i = 0; i < length; i++)
		printf("%02x", bytes[i]);
}

static int await(struct rt_tee_evidence *evidence)
{
	struct pollfd agent = { .fd = rt_tee.socket, .events = POLLIN };
	int err;

	while ((err = rt_tee_answer(evidence)) == -EAGAIN)
		poll(&agent, 1, -1);
	return err;
}

int main(int argc, char **argv)
{
	static struct rt_tee_evidence evidence;
	struct rt_launch launch = { .insecure_tsm = argc > 2 ? argv[2] : NULL, .keys = true };
	unsigned char data[RT_TEE_REPORT_DATA_BYTES], seed[2][64];
	int err;

	launch.tee = !strcmp(argv[1], "snp") ? RKTIO_TEE_SNP :
		     !strcmp(argv[1], "tdx") ? RKTIO_TEE_TDX : RKTIO_TEE_PROCESS;
	rt_process = getpid();
	rt_tee_start(&launch);
	rt_tee_start_random(seed[0], sizeof(seed[0]));
	rt_tee_start_random(seed[1], sizeof(seed[1]));
	memset(data, 'r', sizeof(data));
	err = rt_tee_ask(data);
	if (!err)
		err = await(&evidence);
	printf("%u %d %d", rt_tee_kind(), err, !!memcmp(seed[0], seed[1], sizeof(seed[0])));
	if (!err) {
		print(evidence.blobs, evidence.primary_bytes);
		print(evidence.blobs + evidence.primary_bytes, evidence.auxiliary_bytes);
	}
	putchar('\n');
	return 0;
}
