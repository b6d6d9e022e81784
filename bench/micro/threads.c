// SPDX-License-Identifier: Apache-2.0
/*
 * pipe, futex: how fast two threads hand a turn to each other.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "micro.h"

/* ---- pipe: one byte there and back between two threads ---- */

struct pipes {
	int there[2];
	int back[2];
};

/* Ends when the other side closes its end. */
static void *pipe_peer(void *arg)
{
	struct pipes *pipes = arg;
	char byte;

	while (read(pipes->there[0], &byte, 1) == 1)
		if (write(pipes->back[1], &byte, 1) != 1)
			break;
	return NULL;
}

static long pipe_batch(void *arg)
{
	struct pipes *pipes = arg;
	char byte = 0;
	int err;

	for (int i = 0; i < ROUND_TRIPS; i++) {
		err = whole(write(pipes->there[1], &byte, 1), 1);
		if (!err)
			err = whole(read(pipes->back[0], &byte, 1), 1);
		if (err)
			return err;
	}
	return ROUND_TRIPS;
}

int bench_pipe(const struct settings *settings, double *ret)
{
	struct pipes pipes;
	pthread_t peer;
	int err;

	if (pipe(pipes.there))
		return -errno;
	if (pipe(pipes.back)) {
		err = -errno;
		goto close_there;
	}
	err = -pthread_create(&peer, NULL, pipe_peer, &pipes);
	if (err)
		goto close_back;
	err = time_operation(pipe_batch, &pipes, settings->seconds, ret);
	close(pipes.there[1]);
	pipes.there[1] = -1;
	pthread_join(peer, NULL);
close_back:
	close(pipes.back[0]);
	close(pipes.back[1]);
close_there:
	close(pipes.there[0]);
	if (pipes.there[1] >= 0)
		close(pipes.there[1]);
	return err;
}

/* ---- futex: two threads hand one word to and fro ---- */

enum turn { TURN_MAIN, TURN_PEER, TURN_STOP };

static void futex_wait(_Atomic uint32_t *word, uint32_t value)
{
	while (atomic_load(word) == value)
		syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL);
}

static void futex_hand_over(_Atomic uint32_t *word, uint32_t value)
{
	atomic_store(word, value);
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1);
}

static void *futex_peer(void *arg)
{
	_Atomic uint32_t *turn = arg;

	for (;;) {
		futex_wait(turn, TURN_MAIN);
		if (atomic_load(turn) == TURN_STOP)
			return NULL;
		futex_hand_over(turn, TURN_MAIN);
	}
}

static long futex_batch(void *arg)
{
	_Atomic uint32_t *turn = arg;

	for (int i = 0; i < ROUND_TRIPS; i++) {
		futex_hand_over(turn, TURN_PEER);
		futex_wait(turn, TURN_PEER);
	}
	return ROUND_TRIPS;
}

int bench_futex(const struct settings *settings, double *ret)
{
	_Atomic uint32_t turn = TURN_MAIN;
	pthread_t peer;
	int err;

	err = -pthread_create(&peer, NULL, futex_peer, &turn);
	if (err)
		return err;
	err = time_operation(futex_batch, &turn, settings->seconds, ret);
	futex_hand_over(&turn, TURN_STOP);
	pthread_join(peer, NULL);
	return err;
}
