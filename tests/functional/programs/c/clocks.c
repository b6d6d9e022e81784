// SPDX-License-Identifier: Apache-2.0
/* Clocks agree and never go back; sleeps and timers end when they should. */
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/timerfd.h>

static uint64_t by_call(clockid_t clock)
{
	struct timespec now;

	CHECK(!syscall(SYS_clock_gettime, clock, &now));
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t by_vdso(clockid_t clock)
{
	struct timespec now;

	CHECK(!clock_gettime(clock, &now));
	CHECK(now.tv_nsec >= 0 && now.tv_nsec < 1000000000);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void vdso_and_calls_are_one_monotonic_clock(void)
{
	static const clockid_t clocks[] = { CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME, CLOCK_MONOTONIC_RAW };

	for (int c = 0; c < 4; c++) {
		uint64_t last = by_vdso(clocks[c]);

		for (int i = 0; i < 20000; i++) {
			uint64_t now = i & 1 ? by_vdso(clocks[c]) : by_call(clocks[c]);

			CHECK(now >= last);
			CHECK(now - last < 500000000);
			last = now;
		}
	}
}

static void *watch(void *unused)
{
	uint64_t last = 0, end = by_vdso(CLOCK_MONOTONIC) + 100000000;

	while (last < end) {
		uint64_t now = by_vdso(CLOCK_MONOTONIC);

		CHECK(now >= last);
		last = now;
	}
	return unused;
}

static void threads_see_a_monotonic_clock(void)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		CHECK(!pthread_create(&threads[i], NULL, watch, NULL));
	for (int i = 0; i < 4; i++)
		CHECK(!pthread_join(threads[i], NULL));
}

static void the_time_of_day_agrees(void)
{
	struct timeval day;
	time_t seconds;

	CHECK(!gettimeofday(&day, NULL));
	seconds = time(NULL);
	CHECK(seconds - day.tv_sec >= 0 && seconds - day.tv_sec <= 1);
	CHECK(seconds > 1700000000);
	CHECK((long)(by_call(CLOCK_REALTIME) / 1000000000) - seconds <= 1);
}

static void the_cpu_is_named(void)
{
	unsigned int cpu = 99, node = 99, cpu_by_call = 99;

	CHECK(!getcpu(&cpu, &node));
	CHECK(!syscall(SYS_getcpu, &cpu_by_call, NULL, NULL));
	CHECK((long)cpu < sysconf(_SC_NPROCESSORS_ONLN));
	CHECK_EQUAL(node, 0);
	CHECK(sched_getcpu() >= 0);
}

static int smaller_first(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* No sleep is short; the median is little longer than asked. */
static void sleeps_take_as_long_as_asked(void)
{
	static const long asked_us[] = { 100, 1000, 10000 };
	uint64_t took[21];

	for (int k = 0; k < 3; k++) {
		for (int i = 0; i < 21; i++) {
			uint64_t start = by_vdso(CLOCK_MONOTONIC);

			usleep((useconds_t)asked_us[k]);
			took[i] = by_vdso(CLOCK_MONOTONIC) - start;
			CHECK(took[i] >= (uint64_t)asked_us[k] * 1000);
		}
		qsort(took, 21, sizeof(*took), smaller_first);
		CHECK(took[10] < (uint64_t)asked_us[k] * 1000 + 1000000);
	}
}

static void absolute_sleeps_end_at_their_time(void)
{
	uint64_t at = by_vdso(CLOCK_MONOTONIC) + 20000000;
	struct timespec end = { (time_t)(at / 1000000000), (long)(at % 1000000000) };

	CHECK_EQUAL(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL), 0);
	CHECK(by_vdso(CLOCK_MONOTONIC) >= at);
	CHECK(by_vdso(CLOCK_MONOTONIC) < at + 20000000);
}

static void timeouts_end(void)
{
	uint64_t start = by_vdso(CLOCK_MONOTONIC), took;
	struct epoll_event event;
	int epoll = epoll_create1(0), value = 0;
	struct timespec ten_ms = { 0, 10000000 };

	CHECK_EQUAL(poll(NULL, 0, 10), 0);
	CHECK_EQUAL(epoll_wait(epoll, &event, 1, 10), 0);
	CHECK_EQUAL(syscall(SYS_futex, &value, 0, 0, &ten_ms, NULL, 0), -1);
	CHECK_EQUAL(errno, ETIMEDOUT);
	took = by_vdso(CLOCK_MONOTONIC) - start;
	CHECK(took >= 30000000 && took < 130000000);
}

static void timerfds_count_what_was_missed(void)
{
	struct itimerspec every = { { 0, 2000000 }, { 0, 2000000 } };
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);
	uint64_t expired = 0;

	CHECK(!timerfd_settime(fd, 0, &every, NULL));
	usleep(30000);
	CHECK(read(fd, &expired, 8) == 8);
	CHECK(expired >= 15 && expired < 100);
}

static volatile int alarms;

static void count(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	alarms++;
}

static void an_alarm_interrupts_a_busy_loop(void)
{
	struct itimerval once = { { 0, 0 }, { 0, 20000 } };
	uint64_t start = by_vdso(CLOCK_MONOTONIC), took;

	on(SIGALRM, count, 0);
	setitimer(ITIMER_REAL, &once, NULL);
	while (!alarms)
		;
	took = by_vdso(CLOCK_MONOTONIC) - start;
	CHECK(took >= 20000000 && took < 120000000);
}

static void profiling_timers_run(void)
{
	struct itimerval every = { { 0, 10000 }, { 0, 10000 } };

	on(SIGPROF, count, 0);
	on(SIGVTALRM, count, 0);
	setitimer(ITIMER_PROF, &every, NULL);
	setitimer(ITIMER_VIRTUAL, &every, NULL);
	while (alarms < 6)
		;
}

static void cpu_time_is_counted(void)
{
	uint64_t start = by_call(CLOCK_PROCESS_CPUTIME_ID), end = by_vdso(CLOCK_MONOTONIC) + 100000000, took;
	struct rusage usage;

	while (by_vdso(CLOCK_MONOTONIC) < end)
		;
	took = by_call(CLOCK_PROCESS_CPUTIME_ID) - start;
	CHECK(took > 30000000 && took < 200000000);
	CHECK(!getrusage(RUSAGE_SELF, &usage));
	CHECK(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec > 10000 || usage.ru_utime.tv_sec);
}

static void cpu_limits_kill(void)
{
	struct rlimit limit = { 1, 2 };

	setrlimit(RLIMIT_CPU, &limit);
	for (;;)
		;
}

static void a_cpu_limit_ends_a_loop(void)
{
	CHECK_EQUAL(run_forked(cpu_limits_kill), 128 + SIGXCPU);
}

CASES(CASE(vdso_and_calls_are_one_monotonic_clock), CASE(threads_see_a_monotonic_clock),
      CASE(the_time_of_day_agrees), CASE(the_cpu_is_named), CASE(sleeps_take_as_long_as_asked),
      CASE(absolute_sleeps_end_at_their_time), CASE(timeouts_end),
      CASE(timerfds_count_what_was_missed), CASE(an_alarm_interrupts_a_busy_loop),
      CASE(profiling_timers_run), CASE(cpu_time_is_counted), CASE(a_cpu_limit_ends_a_loop))
