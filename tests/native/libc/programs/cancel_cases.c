/* SPDX-License-Identifier: Apache-2.0 */
/* Cancellation: a call that had an effect is never lost, a blocked one ends. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "suite.h"

static int channel[2];
static long received;
static int cleaned;

static void clean_up(void *arg)
{
	*(int *)arg += 1;
}

static void *block_in_read(void *arg)
{
	char byte;

	pthread_cleanup_push(clean_up, &cleaned);
	while (read(channel[0], &byte, 1) >= 0)
		;
	pthread_cleanup_pop(0);
	return arg;
}

static void nap(long ns)
{
	nanosleep(&(struct timespec){ .tv_nsec = ns }, NULL);
}

void test_cancel_blocked(void)
{
	pthread_t thread;
	void *result;

	CHECK(!pipe(channel));
	for (int i = 0; i < 50; i++) {
		CHECK(!pthread_create(&thread, NULL, block_in_read, NULL));
		nap(i % 5 * 500000);
		CHECK(!pthread_cancel(thread));
		CHECK(!pthread_join(thread, &result));
		CHECK(result == PTHREAD_CANCELED);
	}
	/* Some are cancelled before they get to the clean-up's registration. */
	CHECK(cleaned >= 30 && cleaned <= 50);
}

static void *count_bytes(void *arg)
{
	char byte;

	while (read(channel[0], &byte, 1) == 1)
		received++;
	return arg;
}

/* Bytes keep coming while the reader is cancelled: each is counted or still there. */
void test_cancel_loses_nothing(void)
{
	long sent = 0;
	int left;

	CHECK(!pipe(channel));
	for (int i = 0; i < 400; i++) {
		pthread_t thread;

		CHECK(!pthread_create(&thread, NULL, count_bytes, NULL));
		for (int burst = 0; burst < 1 + i % 40; burst++)
			sent += write(channel[1], "x", 1);
		CHECK(!pthread_cancel(thread));
		sent += write(channel[1], "x", 1);
		CHECK(!pthread_join(thread, NULL));
		CHECK(!ioctl(channel[0], FIONREAD, &left));
		CHECK(received + left == sent);
	}
}

static void *masked(void *arg)
{
	struct timespec pause = { .tv_nsec = 20000000 };
	char byte;

	pthread_setcancelstate(PTHREAD_CANCEL_MASKED, NULL);
	CHECK(read(channel[0], &byte, 1) == -1 && errno == ECANCELED);
	/* Reported once, disabled from then on. */
	CHECK(!nanosleep(&pause, NULL));
	return arg;
}

void test_cancel_masked(void)
{
	pthread_t thread;
	void *result;

	CHECK(!pipe(channel));
	CHECK(!pthread_create(&thread, NULL, masked, channel));
	nap(20000000);
	CHECK(!pthread_cancel(thread));
	CHECK(!pthread_join(thread, &result));
	CHECK(result == channel);
}
