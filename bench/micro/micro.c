// SPDX-License-Identifier: Apache-2.0
/*
 * micro: what the basic operations of an operating system cost a program.
 *
 * An ordinary Linux program (glibc, dynamically linked) that runs unchanged on
 * the host and inside the library OS. It prints one line per benchmark,
 * `NAME VALUE UNIT`, and leaves repetition, pinning and comparison to
 * rktio/bench/micro.py.
 *
 *	micro SECONDS DIRECTORY NAME...
 *
 * Each benchmark runs for about SECONDS. DIRECTORY is on the file system under
 * test; ext4_pread leaves its file there, so that the next run finds it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "micro.h"

enum { TOUCHED_BYTES = 256 << 20 };

/* fork_exec runs this program again with this argument. */
static const char exit_argument[] = "--exit";

double now_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/*
 * Repeats @batch until @seconds have passed. The first batch is not counted:
 * it faults pages in and lets the library OS rewrite the system-call sites.
 */
int time_operation(batch_fn batch, void *arg, double seconds, double *ret_ns)
{
	double start, elapsed;
	long done, total = 0;

	done = batch(arg);
	if (done < 0)
		return (int)done;
	start = now_seconds();
	do {
		done = batch(arg);
		if (done < 0)
			return (int)done;
		total += done;
		elapsed = now_seconds() - start;
	} while (elapsed < seconds);
	*ret_ns = elapsed * 1e9 / (double)total;
	return 0;
}

/* Every transfer here is small or blocking: a short one is a fault. */
int whole(ssize_t transferred, size_t wanted)
{
	if (transferred < 0)
		return -errno;
	return (size_t)transferred == wanted ? 0 : -EIO;
}

/* ---- getppid: the cheapest system call ---- */

static long getppid_batch(void *arg)
{
	enum { CALLS = 1000 };

	(void)arg;
	for (int i = 0; i < CALLS; i++)
		syscall(SYS_getppid);
	return CALLS;
}

static int bench_getppid(const struct settings *settings, double *ret)
{
	return time_operation(getppid_batch, NULL, settings->seconds, ret);
}

/* ---- first_touch: map, write to each page once, unmap ---- */

static long touch_batch(void *arg)
{
	volatile char *memory;

	(void)arg;
	memory = mmap(NULL, TOUCHED_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return -errno;
	for (size_t offset = 0; offset < TOUCHED_BYTES; offset += PAGE_BYTES)
		memory[offset] = 1;
	if (munmap((void *)memory, TOUCHED_BYTES))
		return -errno;
	return TOUCHED_BYTES / PAGE_BYTES;
}

static int bench_first_touch(const struct settings *settings, double *ret)
{
	return time_operation(touch_batch, NULL, settings->seconds, ret);
}

/* ---- fork_exec: start this program again and wait for its end ---- */

static long spawn_batch(void *arg)
{
	const struct settings *settings = arg;
	char *argv[] = { (char *)settings->self, (char *)exit_argument, NULL };
	char *envp[] = { NULL };
	int status, err;
	pid_t pid;

	err = -posix_spawn(&pid, settings->self, NULL, NULL, argv, envp);
	if (err)
		return err;
	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 1 : -ECHILD;
}

static int bench_fork_exec(const struct settings *settings, double *ret)
{
	double ns = 0;
	int err;

	err = time_operation(spawn_batch, (void *)settings, settings->seconds, &ns);
	if (!err)
		*ret = ns / 1e3;
	return err;
}

/* ---- the table ---- */

static const struct benchmark {
	const char *name;
	const char *unit;
	int (*run)(const struct settings *settings, double *ret);
} benchmarks[] = {
	{ "getppid", "ns", bench_getppid },
	{ "pipe", "ns", bench_pipe },
	{ "futex", "ns", bench_futex },
	{ "tmpfs_pread", "ns", bench_tmpfs_pread },
	{ "tcp_64k", "GB/s", bench_tcp_64k },
	{ "tcp_rr", "ns", bench_tcp_rr },
	{ "ext4_pread", "ns", bench_ext4_pread },
	{ "ext4_write", "MiB/s", bench_ext4_write },
	{ "first_touch", "ns", bench_first_touch },
	{ "fork_exec", "us", bench_fork_exec },
};

static const struct benchmark *find_benchmark(const char *name)
{
	for (size_t i = 0; i < sizeof(benchmarks) / sizeof(benchmarks[0]); i++)
		if (!strcmp(benchmarks[i].name, name))
			return &benchmarks[i];
	return NULL;
}

static int run_named(const char *name, const struct settings *settings)
{
	const struct benchmark *benchmark = find_benchmark(name);
	double value;
	int err;

	err = benchmark ? benchmark->run(settings, &value) : -EINVAL;
	if (err) {
		fprintf(stderr, "micro: %s: %s\n", name, strerror(-err));
		return err;
	}
	printf("%s %.3f %s\n", name, value, benchmark->unit);
	fflush(stdout);	/* what is measured survives a crash of the next one */
	return 0;
}

int main(int argc, char **argv)
{
	struct settings settings;
	int failures = 0;

	if (argc == 2 && !strcmp(argv[1], exit_argument))
		return 0;
	if (argc < 4) {
		fprintf(stderr, "usage: micro SECONDS DIRECTORY NAME...\n");
		return 2;
	}
	settings = (struct settings){
		.self = argv[0],
		.seconds = atof(argv[1]),
		.directory = argv[2],
	};
	signal(SIGPIPE, SIG_IGN);
	for (int i = 3; i < argc; i++)
		failures += run_named(argv[i], &settings) != 0;
	return failures ? 1 : 0;
}
