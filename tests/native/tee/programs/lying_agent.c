// SPDX-License-Identifier: Apache-2.0
/*
 * lying_agent: plays the agent. Reads messages of at most 128 KiB, each behind
 * 4 bytes of length, from standard input; asks once for each; and prints what
 * the runtime makes of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tee.h"

int main(void)
{
	static char message[128 << 10];
	unsigned char data[RT_TEE_REPORT_DATA_BYTES] = { 0 };
	struct rt_tee_evidence *evidence = malloc(sizeof(*evidence));
	struct rt_tee_question question;
	int sockets[2], size = 1 << 20;
	uint32_t length;

	if (!evidence || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets))
		return 1;
	setsockopt(sockets[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	fcntl(sockets[0], F_SETFL, O_NONBLOCK);
	rt_tee.socket = sockets[0];
	while (fread(&length, sizeof(length), 1, stdin) == 1) {
		if (length > sizeof(message) || fread(message, 1, length, stdin) != length ||
		    rt_tee_ask(data) || read(sockets[1], &question, sizeof(question)) != sizeof(question))
			return 1;
		/* "=" stands for the number of the question. */
		if (length >= 8 && !memcmp(message, "========", 8))
			memcpy(message, &question.number, 8);
		if (write(sockets[1], message, length) != (ssize_t)length)
			return 1;
		printf("%d\n", rt_tee_answer(evidence));
		while (read(sockets[0], message, sizeof(message)) > 0)
			;
	}
	shutdown(sockets[1], SHUT_RDWR);
	printf("%d\n", rt_tee_answer(evidence));
	free(evidence);
	return 0;
}
