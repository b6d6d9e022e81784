// SPDX-License-Identifier: Apache-2.0
/* What the tests of the baselines run: `calls N`, `threads`, `interrupted`, `spawn`. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

enum { THREADS = 8, ROUNDS = 2000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long count;
static int pair[2];

static int make_calls(long n)
{
	unsigned long long start = __rdtsc();

	for (long i = 0; i < n; i++)
		getppid();
	printf("%llu\n", __rdtsc() - start);
	return 0;
}

static void *work(void *unused)
{
	char byte = 'x';

	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&lock);
		count++;
		pthread_mutex_unlock(&lock);
		if (i % 20 == 0 && (write(pair[1], &byte, 1) != 1 || read(pair[0], &byte, 1) != 1))
			abort();
	}
	return unused;
}

static int run_threads(void)
{
	pthread_t threads[THREADS];

	if (pipe(pair))
		return 1;
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, work, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	printf("%ld\n", count);
	return 0;
}

static volatile int handled;

static void handle(int sig)
{
	handled = sig;
}

static void *interrupt(void *thread)
{
	/* Until it has worked: the first may come before the read. */
	while (!__atomic_load_n(&count, __ATOMIC_ACQUIRE)) {
		pthread_kill(*(pthread_t *)thread, SIGUSR1);
		usleep(1000);
	}
	return NULL;
}

static int be_interrupted(void)
{
	struct sigaction action = { .sa_handler = handle };
	pthread_t self = pthread_self(), other;
	sigset_t all;
	char byte;
	int error;

	sigaction(SIGUSR1, &action, NULL);
	sigfillset(&all);
	sigdelset(&all, SIGUSR1);
	sigprocmask(SIG_SETMASK, &all, NULL);	/* SIGSYS with it: calls must work all the same */
	if (pipe(pair))
		return 1;
	/* So many that the call to be interrupted is a worker's, where there are any. */
	for (int i = 0; i < ROUNDS; i++)
		if (write(pair[1], "x", 1) != 1 || read(pair[0], &byte, 1) != 1)
			return 1;
	pthread_create(&other, NULL, interrupt, &self);
	error = read(pair[0], &byte, 1) < 0 ? errno : 0;
	__atomic_store_n(&count, 1, __ATOMIC_RELEASE);
	pthread_join(other, NULL);
	printf("%s %d\n", strerror(error), handled);
	return 0;
}

static int spawn_itself(char *path)
{
	char *words[] = { path, "status", NULL }, *none[] = { NULL };
	int status;
	pid_t child;

	if (posix_spawn(&child, path, NULL, NULL, words, none) || waitpid(child, &status, 0) != child)
		return 1;
	printf("%d %d\n", WEXITSTATUS(status),
	       posix_spawn(&child, "/absent", NULL, NULL, words, none));
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "calls"))
		return make_calls(atol(argv[2]));
	if (argc != 2)
		return 2;
	if (!strcmp(argv[1], "threads"))
		return run_threads();
	if (!strcmp(argv[1], "interrupted"))
		return be_interrupted();
	if (!strcmp(argv[1], "spawn"))
		return spawn_itself(argv[0]);
	return 42;
}
