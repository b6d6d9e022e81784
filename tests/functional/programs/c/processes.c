// SPDX-License-Identifier: Apache-2.0
/* Processes and threads: fork, vfork, posix_spawn, exec, clone, futexes, exits. */
#include "check.h"
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

extern char **environ;

static void vfork_shares_memory_and_waits(void)
{
	volatile int shared = 0;

	for (volatile int i = 0; i < 200; i++) {
		pid_t pid = vfork();

		if (!pid) {
			shared++;
			_exit(i & 63);
		}
		CHECK_EQUAL(shared, i + 1);
		CHECK_EQUAL(status_of(pid), i & 63);
	}
}

static void vforked_children_exec(void)
{
	for (volatile int i = 0; i < 50; i++) {
		pid_t pid = vfork();

		if (!pid) {
			execl("/bin/sh", "sh", "-c", "exit 9", NULL);
			_exit(1);
		}
		CHECK_EQUAL(status_of(pid), 9);
	}
}

static void posix_spawn_redirects(void)
{
	char *const argv[] = { "sh", "-c", "read x; echo got $x", NULL };
	posix_spawn_file_actions_t actions;
	char line[64] = "";
	int in[2], out[2];
	pid_t pid;

	for (int i = 0; i < 30; i++) {
		CHECK(!pipe(in) && !pipe(out));
		posix_spawn_file_actions_init(&actions);
		posix_spawn_file_actions_adddup2(&actions, in[0], 0);
		posix_spawn_file_actions_adddup2(&actions, out[1], 1);
		CHECK(!posix_spawn(&pid, "/bin/sh", &actions, NULL, argv, environ));
		close(out[1]);
		CHECK(write(in[1], "hello\n", 6) == 6);
		CHECK_EQUAL(read(out[0], line, sizeof(line)), 10);
		CHECK(!memcmp(line, "got hello\n", 10));
		CHECK_EQUAL(status_of(pid), 0);
		close(in[0]), close(in[1]), close(out[0]);
		posix_spawn_file_actions_destroy(&actions);
	}
}

static void spawning_what_does_not_exist_is_enoent(void)
{
	char *const argv[] = { "no", NULL };
	pid_t pid;

	CHECK_EQUAL(posix_spawn(&pid, "/no/such/program", NULL, NULL, argv, environ), ENOENT);
	CHECK_EQUAL(posix_spawn(&pid, "/etc/passwd", NULL, NULL, argv, environ), EACCES);
}

static void system_and_popen(void)
{
	char line[32] = "";
	FILE *from;

	CHECK_EQUAL(WEXITSTATUS(system("exit 5")), 5);
	from = popen("echo one two | tr a-z A-Z", "r");
	CHECK(from && fgets(line, sizeof(line), from) && !pclose(from));
	CHECK(!strcmp(line, "ONE TWO\n"));
}

static void a_bounded_fork_bomb_ends(void)
{
	int depth = 0;
	pid_t leader = getpid();

	for (int i = 0; i < 8; i++)
		if (!fork())
			depth++;
	for (int status; wait(&status) > 0;)
		CHECK_EQUAL(status, 0);
	if (getpid() != leader)
		_exit(0);
}

static void three_hundred_children_live_at_once(void)
{
	enum { N = 300 };
	int gate[2], ready[2];
	char c;

	CHECK(!pipe(gate) && !pipe(ready));
	for (int i = 0; i < N; i++) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (!pid) {
			close(gate[1]);
			CHECK(write(ready[1], "x", 1) == 1);
			CHECK(read(gate[0], &c, 1) == 0);
			_exit(i & 127);
		}
	}
	for (int i = 0; i < N; i++)
		CHECK(read(ready[0], &c, 1) == 1);
	close(gate[1]);
	for (int i = 0; i < N; i++)
		CHECK(status_of(-1) >= 0);
}

/* Programs, not forks: each exec is a mapping of its own from the bottom up. */
static void two_hundred_programs_live_at_once(void)
{
	enum { N = 200 };
	int gate[2], ready[2], bad = 0;
	char c;

	CHECK(!pipe(gate) && !pipe(ready));
	for (int i = 0; i < N; i++) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (!pid) {
			dup2(gate[0], 0);
			dup2(ready[1], 1);
			close(gate[1]), close(ready[0]), close(ready[1]), close(gate[0]);
			execl("/bin/sh", "sh", "-c", "echo; read x; exit 3", NULL);
			_exit(1);
		}
	}
	close(ready[1]);
	for (int i = 0; i < N; i++)
		if (read(ready[0], &c, 1) != 1)
			break;
	close(gate[1]);
	for (int i = 0; i < N; i++)
		bad += status_of(-1) != 3;
	CHECK_EQUAL(bad, 0);
}

static void a_long_chain_of_execs(void)
{
	CHECK_EQUAL(WEXITSTATUS(system("i=0; while [ $i -lt 150 ]; do i=$((i+1)); /bin/true || exit 1; done; exit 4")), 4);
}

static void *count_up(void *counter)
{
	for (int i = 0; i < 1000; i++)
		__atomic_fetch_add((long *)counter, 1, __ATOMIC_RELAXED);
	return counter;
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long guarded;
static __thread long mine;

static void *locked(void *n)
{
	for (int i = 0; i < 500; i++) {
		mine++;
		pthread_mutex_lock(&mutex);
		guarded++;
		if (i % 50 == 0)
			sched_yield();
		pthread_mutex_unlock(&mutex);
	}
	return (void *)(mine == 500 ? n : NULL);
}

static void sixty_four_threads(void)
{
	pthread_t threads[64];
	long counter = 0;
	void *result;

	for (int i = 0; i < 64; i++)
		CHECK(!pthread_create(&threads[i], NULL, count_up, &counter));
	for (int i = 0; i < 64; i++)
		CHECK(!pthread_join(threads[i], NULL));
	CHECK_EQUAL(counter, 64000);
	for (long i = 0; i < 64; i++)
		CHECK(!pthread_create(&threads[i], NULL, locked, (void *)(i + 1)));
	for (long i = 0; i < 64; i++) {
		CHECK(!pthread_join(threads[i], &result));
		CHECK_EQUAL(result, i + 1);
	}
	CHECK_EQUAL(guarded, 32000);
}

static void two_thousand_threads_come_and_go(void)
{
	long counter = 0;
	pthread_t thread;

	for (int i = 0; i < 2000; i++) {
		CHECK(!pthread_create(&thread, NULL, count_up, &counter));
		CHECK(!pthread_join(thread, NULL));
	}
	CHECK_EQUAL(counter, 2000000);
}

static volatile long progress[2];
static volatile int stop;

static void *progressing(void *at)
{
	while (!stop)
		(*(volatile long *)at)++;
	return NULL;
}

static void busy_threads_share_the_cpu(void)
{
	pthread_t threads[2];
	long ratio;

	for (int i = 0; i < 2; i++)
		CHECK(!pthread_create(&threads[i], NULL, progressing, (void *)&progress[i]));
	usleep(300000);
	stop = 1;
	for (int i = 0; i < 2; i++)
		CHECK(!pthread_join(threads[i], NULL));
	ratio = progress[0] / (progress[1] / 100 + 1);
	CHECK(ratio > 10 && ratio < 1000);
}

static void *wait_forever(void *cleaned)
{
	pthread_cleanup_push((void (*)(void *))count_up, cleaned);
	for (;;)
		pause();
	pthread_cleanup_pop(0);
	return NULL;
}

static void waiting_threads_are_cancelled(void)
{
	long cleaned = 0;
	pthread_t thread;
	void *result;

	CHECK(!pthread_create(&thread, NULL, wait_forever, &cleaned));
	usleep(2000);
	CHECK(!pthread_cancel(thread));
	CHECK(!pthread_join(thread, &result));
	CHECK(result == PTHREAD_CANCELED);
	CHECK_EQUAL(cleaned, 1000);
}

static pthread_mutex_t *robust;

static void the_death_of_a_lock_holder_is_noticed(void)
{
	pthread_mutexattr_t attributes;

	robust = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	CHECK(!pthread_mutex_init(robust, &attributes));
	if (!fork()) {
		pthread_mutex_lock(robust);
		_exit(0);
	}
	CHECK_EQUAL(status_of(-1), 0);
	CHECK_EQUAL(pthread_mutex_lock(robust), EOWNERDEAD);
}

static void *spin(void *unused)
{
	for (;;)
		;
	return unused;
}

static void exit_with_spinning_threads(void)
{
	pthread_t thread;

	for (int i = 0; i < 3; i++)
		CHECK(!pthread_create(&thread, NULL, spin, NULL));
	usleep(5000);
	exit(11);
}

static void exec_with_spinning_threads(void)
{
	pthread_t thread;

	for (int i = 0; i < 3; i++)
		CHECK(!pthread_create(&thread, NULL, spin, NULL));
	usleep(5000);
	execl("/bin/sh", "sh", "-c", "exit 12", NULL);
}

static void *die(void *unused)
{
	*(volatile char *)0 = 1;
	return unused;
}

static void a_thread_dies_of_null(void)
{
	pthread_t thread;

	CHECK(!pthread_create(&thread, NULL, die, NULL));
	pause();
}

static void the_process_ends_with_all_threads(void)
{
	CHECK_EQUAL(run_forked(exit_with_spinning_threads), 11);
	CHECK_EQUAL(run_forked(exec_with_spinning_threads), 12);
	CHECK_EQUAL(run_forked(a_thread_dies_of_null), 139);
}

static sigjmp_buf back;
static char *volatile fault_at;

static void overflowed(int sig, siginfo_t *info, void *context)
{
	(void)context;
	fault_at = info->si_addr;
	siglongjmp(back, sig);
}

static int recursion(volatile char *above)
{
	volatile char here[512];

	here[0] = above[0];
	return recursion(here) + here[0];
}

static void *overflow(void *unused)
{
	stack_t stack = { .ss_sp = anonymous(16 * PAGE, PROT_READ | PROT_WRITE), .ss_size = 16 * PAGE };
	char here = 0;

	sigaltstack(&stack, NULL);
	if (!sigsetjmp(back, 1))
		recursion(&here);
	CHECK(fault_at < &here && fault_at > &here - (128 << 10));
	return unused;
}

static void a_threads_guard_page_stops_its_stack(void)
{
	pthread_attr_t attributes;
	pthread_t thread;

	on(SIGSEGV, overflowed, SA_ONSTACK);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 64 << 10);
	for (int i = 0; i < 20; i++) {
		CHECK(!pthread_create(&thread, &attributes, overflow, NULL));
		CHECK(!pthread_join(thread, NULL));
	}
}

static void the_parents_death_signal_comes(void)
{
	int fds[2];
	char c;

	CHECK(!pipe(fds));
	if (!fork()) {
		if (!fork()) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			CHECK(write(fds[1], "x", 1) == 1);
			for (;;)
				pause();
		}
		CHECK(read(fds[0], &c, 1) == 1);
		_exit(0);
	}
	close(fds[1]);
	CHECK_EQUAL(status_of(-1), 0);
	CHECK_EQUAL(read(fds[0], &c, 1), 0);	/* end of file: the grandchild is gone */
}

static void stopping_and_continuing(void)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		spin(NULL);
	usleep(5000);
	for (int i = 0; i < 5; i++) {
		kill(pid, SIGSTOP);
		CHECK_EQUAL(waitpid(pid, &status, WUNTRACED), pid);
		CHECK(WIFSTOPPED(status));
		kill(pid, SIGCONT);
		CHECK_EQUAL(waitpid(pid, &status, WCONTINUED), pid);
	}
	kill(pid, SIGKILL);
	CHECK_EQUAL(status_of(pid), 137);
}

static void the_environment_and_arguments_arrive_whole(void)
{
	char big[100000], *argv[] = { "sh", "-c", "test ${#0} = 99999 && test \"$BIG\" = \"$0\"", big, NULL };
	char *env[2] = { NULL, NULL };
	pid_t pid;

	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = 0;
	CHECK(asprintf(&env[0], "BIG=%s", big) > 0);
	CHECK(!posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, env));
	CHECK_EQUAL(status_of(pid), 0);
}

static void own_maps_are_told_truly(void)
{
	char line[512], *at = anonymous(3 * PAGE, PROT_READ | PROT_WRITE), wanted[64];
	FILE *maps = fopen("/proc/self/maps", "r");
	int found = 0, vdso = 0;

	mprotect(at + PAGE, PAGE, PROT_NONE);
	snprintf(wanted, sizeof(wanted), "%lx-%lx ---p", (long)at + PAGE, (long)at + 2 * PAGE);
	rewind(maps);
	while (fgets(line, sizeof(line), maps)) {
		found += !strncmp(line, wanted, strlen(wanted));
		vdso += !!strstr(line, "[vdso]");
	}
	CHECK_EQUAL(found, 1);
	CHECK_EQUAL(vdso, 1);
}

CASES(CASE(vfork_shares_memory_and_waits), CASE(vforked_children_exec), CASE(posix_spawn_redirects),
      CASE(spawning_what_does_not_exist_is_enoent), CASE(system_and_popen),
      CASE(a_bounded_fork_bomb_ends), CASE(three_hundred_children_live_at_once),
      CASE(two_hundred_programs_live_at_once), CASE(a_long_chain_of_execs),
      CASE(sixty_four_threads), CASE(two_thousand_threads_come_and_go),
      CASE(busy_threads_share_the_cpu), CASE(waiting_threads_are_cancelled),
      CASE(the_death_of_a_lock_holder_is_noticed), CASE(the_process_ends_with_all_threads),
      CASE(a_threads_guard_page_stops_its_stack), CASE(the_parents_death_signal_comes),
      CASE(stopping_and_continuing), CASE(the_environment_and_arguments_arrive_whole),
      CASE(own_maps_are_told_truly))
