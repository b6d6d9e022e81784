// SPDX-License-Identifier: Apache-2.0
/* The program in the image: says what PID 1 has given it, or ends in some way. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

extern char **environ;

static void cat(const char *path)
{
	char buf[4096];
	ssize_t n;
	int fd = open(path, O_RDONLY);

	if (fd < 0) {
		perror(path);
		exit(1);
	}
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		if (write(1, buf, n) != n)
			exit(1);
	close(fd);
}

static void report(int argc, char **argv)
{
	char name[65], cwd[4096];
	struct rlimit files;

	gethostname(name, sizeof(name));
	getrlimit(RLIMIT_NOFILE, &files);
	for (int i = 0; i < argc; i++)
		printf("arg=%s\n", argv[i]);
	for (char **env = environ; *env; env++)
		printf("env=%s\n", *env);
	printf("cwd=%s\nhost=%s\nleader=%d\nparent=%d\nfiles=%lu\n",
	       getcwd(cwd, sizeof(cwd)), name, getsid(0) == getpid(), getppid(),
	       (unsigned long)files.rlim_max);
	fflush(stdout);
	cat("/proc/self/status");
}

static void caught(int sig)
{
	_exit(50 + sig);
}

/* Says when it is ready for the signal, then waits. */
static void wait_for(int sig)
{
	signal(sig, caught);
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "report";

	if (!strcmp(what, "exit"))
		return atoi(argv[2]);
	if (!strcmp(what, "die"))
		raise(atoi(argv[2]));
	else if (!strcmp(what, "wait"))
		wait_for(atoi(argv[2]));
	else if (!strcmp(what, "orphan"))
		return fork() ? 7 : pause();
	else if (!strcmp(what, "write"))
		return creat(argv[2], 0644) < 0;
	else if (!strcmp(what, "cat"))
		for (int i = 2; i < argc; i++)
			cat(argv[i]);
	else
		report(argc, argv);
	return 0;
}
