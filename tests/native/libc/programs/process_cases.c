/* SPDX-License-Identifier: Apache-2.0 */
/* Processes: fork, vfork, posix_spawn, system and popen. */
#define _GNU_SOURCE
#include <pthread.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "suite.h"

extern char **environ;

static void expect_status(pid_t child, int expected)
{
	int status;

	CHECK(child > 0);
	CHECK(waitpid(child, &status, 0) == child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == expected);
}

static void *nothing(void *arg)
{
	return arg;
}

void test_fork(void)
{
	for (int i = 0; i < 50; i++) {
		pid_t child = fork();
		pthread_t thread;

		if (!child) {
			CHECK(!pthread_create(&thread, NULL, nothing, NULL));
			CHECK(!pthread_join(thread, NULL));
			_exit(i);
		}
		expect_status(child, i);
	}
}

/* Overwrites the stack that the child shares with its parent. */
static __attribute__((noinline)) void leave(int status)
{
	volatile char deep[4096];

	memset((char *)deep, 0xa5, sizeof(deep));
	CHECK(getppid() > 0);
	_exit(status);
}

static __attribute__((noinline)) pid_t vfork_once(int status)
{
	pid_t child = vfork();

	if (!child)
		leave(status);
	return child;
}

void test_vfork(void)
{
	pid_t child;

	for (int i = 0; i < 100; i++)
		expect_status(vfork_once(i), i);
	child = vfork();
	if (!child) {
		execl("/bin/sh", "sh", "-c", "exit 7", (char *)NULL);
		_exit(127);
	}
	expect_status(child, 7);
}

void test_spawn(void)
{
	char *argv[] = { "sh", "-c", "read line; test \"$line\" = spawned", NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	char line[32] = "";
	sigset_t all;
	int channel[2];
	pid_t child;
	FILE *stream;

	CHECK(!pipe(channel));
	CHECK(write(channel[1], "spawned\n", 8) == 8);
	sigfillset(&all);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, channel[0], 0);
	posix_spawn_file_actions_addclose(&actions, channel[1]);
	CHECK(!posix_spawn(&child, "/bin/sh", &actions, &attr, argv, environ));
	expect_status(child, 0);
	CHECK(posix_spawn(&child, "/no/such/program", NULL, NULL, argv, environ));

	CHECK(WEXITSTATUS(system("exit 3")) == 3);
	stream = popen("echo popped", "r");
	CHECK(stream && fgets(line, sizeof(line), stream));
	CHECK(!pclose(stream) && !strcmp(line, "popped\n"));
}
