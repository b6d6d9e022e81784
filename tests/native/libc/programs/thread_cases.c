/* SPDX-License-Identifier: Apache-2.0 */
/* Threads: creation, exit, locks, thread-local data, all-thread set*id, timers. */
#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "suite.h"

enum { THREADS = 8, ROUNDS = 2000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static long turn, total;

static void *take_turns(void *arg)
{
	long self = (long)arg;

	for (int i = 0; i < ROUNDS / THREADS; i++) {
		pthread_mutex_lock(&lock);
		while (turn % THREADS != self)
			pthread_cond_wait(&turned, &lock);
		turn++;
		total += getpid() > 0;
		pthread_cond_broadcast(&turned);
		pthread_mutex_unlock(&lock);
	}
	return arg;
}

void test_threads(void)
{
	pthread_t threads[THREADS];
	void *result;

	for (long i = 0; i < THREADS; i++)
		CHECK(!pthread_create(&threads[i], NULL, take_turns, (void *)i));
	for (long i = 0; i < THREADS; i++) {
		CHECK(!pthread_join(threads[i], &result));
		CHECK(result == (void *)i);
	}
	CHECK(total == ROUNDS);
}

static void *post(void *arg)
{
	sem_post(arg);
	return NULL;
}

/* A detached thread unmaps the stack that it runs on. */
void test_detached(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	sem_t ended;

	sem_init(&ended, 0, 0);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (int i = 0; i < 200; i++) {
		CHECK(!pthread_create(&thread, &attr, post, &ended));
		CHECK(!sem_wait(&ended));
	}
}

static _Thread_local long initialised = 42;
static _Thread_local char zeroed[10000];

static void *use_tls(void *arg)
{
	CHECK(initialised == 42);
	for (size_t i = 0; i < sizeof(zeroed); i++)
		CHECK(!zeroed[i]);
	initialised = (long)arg;
	zeroed[9999] = 1;
	sched_yield();
	CHECK(initialised == (long)arg);
	return NULL;
}

void test_tls(void)
{
	pthread_t threads[THREADS];

	for (long i = 0; i < THREADS; i++)
		CHECK(!pthread_create(&threads[i], NULL, use_tls, (void *)i));
	for (long i = 0; i < THREADS; i++)
		CHECK(!pthread_join(threads[i], NULL));
	CHECK(initialised == 42 && !zeroed[9999]);
}

static void *wait_for_post(void *arg)
{
	while (sem_wait(arg))
		;
	return NULL;
}

/* setuid() interrupts every other thread to make the call in each. */
void test_setuid(void)
{
	pthread_t threads[THREADS];
	sem_t leave;

	sem_init(&leave, 0, 0);
	for (long i = 0; i < THREADS; i++)
		CHECK(!pthread_create(&threads[i], NULL, wait_for_post, &leave));
	for (int i = 0; i < 20; i++)
		CHECK(!setuid(getuid()));
	for (long i = 0; i < THREADS; i++)
		sem_post(&leave);
	for (long i = 0; i < THREADS; i++)
		CHECK(!pthread_join(threads[i], NULL));
}

static void expired(union sigval value)
{
	sem_post(value.sival_ptr);
}

void test_timer(void)
{
	struct itimerspec soon = { .it_value.tv_nsec = 1000000 };
	struct sigevent event = { .sigev_notify = SIGEV_THREAD };
	timer_t timer;
	sem_t fired;

	sem_init(&fired, 0, 0);
	event.sigev_notify_function = expired;
	event.sigev_value.sival_ptr = &fired;
	CHECK(!timer_create(CLOCK_MONOTONIC, &event, &timer));
	for (int i = 0; i < 5; i++) {
		CHECK(!timer_settime(timer, 0, &soon, NULL));
		CHECK(!sem_wait(&fired));
	}
	CHECK(!timer_delete(timer));
}
