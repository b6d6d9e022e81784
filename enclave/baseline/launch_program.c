// SPDX-License-Identifier: GPL-2.0-only
/*
 * sync and switchless: the program runs on the host's kernel, with the image's
 * files as its root. This process becomes it, by way of the runtime that our
 * executable carries (blob.S).
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../runtime/runtime.h"
#include "baseline.h"
#include "state.h"

enum { STATE_FD = 1000, OURS = 4 };

extern const char baseline_program_start[], baseline_program_end[];

struct words {
	char *cwd;
	char **argv, **environment;	/* the first OURS of argv are free */
	size_t argc, count;
};

static char *value(const char *entry, const char *key)
{
	size_t n = strlen(key);

	return strncmp(entry, key, n) ? NULL : (char *)entry + n;
}

static void read_words(const struct rt_launch *launch, struct words *words)
{
	const char *end = launch->record + launch->record_bytes;
	size_t room = launch->record_bytes + OURS + 2;

	words->argv = calloc(room, sizeof(char *));
	words->environment = calloc(room, sizeof(char *));
	words->argc = OURS;
	words->cwd = "/";
	if (!words->argv || !words->environment)
		rt_fail("out of memory");
	for (const char *entry = launch->record; entry < end; entry += strlen(entry) + 1) {
		char *text;

		if ((text = value(entry, "arg=")))
			words->argv[words->argc++] = text;
		else if ((text = value(entry, "env=")))
			words->environment[words->count++] = text;
		else if ((text = value(entry, "cwd=")))
			words->cwd = text;
	}
}

/* ---- the image's files as the root ---- */

static void must_mount(const char *source, const char *target, const char *type, unsigned long flags)
{
	if (mount(source, target, type, flags, NULL))
		rt_fail("cannot mount %s on %s: %s", source, target, strerror(errno));
}

static void mount_below(const char *tree, const char *name, const char *source, const char *type,
			unsigned long flags)
{
	char target[4096];

	snprintf(target, sizeof(target), "%s/%s", tree, name);
	if (mkdir(target, 0755) && errno != EEXIST)
		rt_fail("cannot make %s: %s", target, strerror(errno));
	must_mount(source, target, type, flags);
}

static void enter_tree(const char *tree, const char *cwd)
{
	if (unshare(CLONE_NEWNS))
		rt_fail("cannot make a mount namespace: %s; run as root", strerror(errno));
	must_mount("none", "/", NULL, MS_REC | MS_PRIVATE);
	must_mount(tree, tree, NULL, MS_BIND | MS_REC);
	mount_below(tree, "proc", "proc", "proc", 0);
	mount_below(tree, "sys", "/sys", NULL, MS_BIND | MS_REC);
	mount_below(tree, "dev", "/dev", NULL, MS_BIND | MS_REC);
	mount_below(tree, "run", "tmpfs", "tmpfs", 0);
	if (chdir(tree) || chroot("."))
		rt_fail("cannot make %s the root: %s", tree, strerror(errno));
	if (chdir(cwd))
		rt_fail("cwd %s: %s", cwd, strerror(errno));
}

/* ---- the program ---- */

static const char *search_path(const struct words *words)
{
	for (char **entry = words->environment; *entry; entry++)
		if (value(*entry, "PATH="))
			return value(*entry, "PATH=");
	return "";
}

static bool is_executable(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode) && !access(path, X_OK);
}

static char *find(const struct words *words)
{
	static char path[4096];
	char *name = words->argv[OURS], *place, *rest;

	if (strchr(name, '/')) {
		if (!is_executable(name))
			rt_fail("%s: not an executable file of the image", name);
		return name;
	}
	rest = strdup(search_path(words));
	while ((place = strsep(&rest, ":"))) {
		snprintf(path, sizeof(path), "%s/%s", place, name);
		if (is_executable(path))
			return path;
	}
	rt_fail("%s: not found in the PATH of the image", name);
}

/* Far above what programs count their descriptors from. */
static int keep_high(int fd)
{
	int high = fcntl(fd, F_DUPFD, STATE_FD);

	if (high < 0)
		high = fcntl(fd, F_DUPFD, 3);
	close(fd);
	return high;
}

static int make_state(const struct rt_launch *launch)
{
	int fd = memfd_create("rkt-io-baseline-state", 0);
	struct state *state;
	cpu_set_t cores;

	if (fd < 0 || ftruncate(fd, sizeof(*state)))
		rt_fail("cannot make the baseline's state: %s", strerror(errno));
	state = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (state == MAP_FAILED)
		rt_fail("cannot map the baseline's state: %s", strerror(errno));
	sched_getaffinity(0, sizeof(cores), &cores);
	state->kind = launch->io == RT_IO_SYNC ? STATE_SYNC : STATE_SWITCHLESS;
	state->io_threads = launch->io_threads;
	state->cycles = launch->world_switch_cycles;
	state->cpus = CPU_COUNT(&cores);
	state->first_process = getpid();
	state->print_stats = launch->stats;
	return keep_high(fd);
}

static int make_executable(void)
{
	size_t bytes = baseline_program_end - baseline_program_start;
	int fd = memfd_create("rkt-io-baseline", MFD_CLOEXEC);

	if (fd < 0 || write(fd, baseline_program_start, bytes) != (ssize_t)bytes)
		rt_fail("cannot make the baseline's executable: %s", strerror(errno));
	return fd;
}

/* What the launcher opened for the library OS is not for the program. */
static void close_devices(const struct rt_launch *launch)
{
	for (unsigned int i = 0; i < launch->disk_count; i++)
		close(launch->disks[i].fd);
	if (launch->net.present)
		close(launch->net.fd);
}

void rt_baseline_start_program(const struct rt_launch *launch)
{
	struct words words = { 0 };
	char fd[16];
	int executable;

	read_words(launch, &words);
	close_devices(launch);
	executable = make_executable();
	enter_tree(launch->tree, words.cwd);
	snprintf(fd, sizeof(fd), "%d", make_state(launch));
	words.argv[0] = "rkt-io-baseline";
	words.argv[1] = fd;
	words.argv[2] = "-";
	words.argv[3] = find(&words);
	personality(personality(0xffffffff) & ~ADDR_NO_RANDOMIZE);
	fexecve(executable, words.argv, words.environment);
	rt_fail("cannot start the baseline: %s", strerror(errno));
}
