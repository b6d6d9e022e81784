// SPDX-License-Identifier: GPL-2.0-only
/*
 * libos-host: waking and sleeping across the enclave's border. Whoever has
 * gone to sleep must be woken by the other side; for the enclave each way out
 * and back is a world switch.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../runtime/hostcall.h"
#include "../runtime/runtime.h"
#include "baseline.h"
#include "hosted.h"

enum { POLL_CYCLES = 100000 };	/* some 40 us; the enclave's CPU does so for 50 */

struct hosted hosted = { .door_fd = -1 };

static void spin(uint64_t cycles)
{
	uint64_t start = __builtin_ia32_rdtsc();

	while (__builtin_ia32_rdtsc() - start < cycles)
		;
}

/* ---- the enclave's side ---- */

static void leave(void)
{
	__atomic_fetch_add(&hosted.crossings, 1, __ATOMIC_RELAXED);
	spin(hosted.cycles / 2);
}

static void come_back(void)
{
	spin(hosted.cycles - hosted.cycles / 2);
}

/* What it is to look at must have been published. */
void hosted_kick(struct hosted_thread *thread)
{
	uint64_t one = 1;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&thread->asleep, __ATOMIC_RELAXED) ||
	    !__atomic_exchange_n(&thread->asleep, 0, __ATOMIC_SEQ_CST))
		return;
	leave();
	hostcall_write(thread->kick_fd, &one, sizeof(one));
	come_back();
}

/* In the place of ppoll(): this CPU has said that it is asleep. */
static long wait_outside(struct pollfd *fds, unsigned int count, const struct timespec *timeout)
{
	uint64_t rung;
	long ret;

	if (hosted_tap_ready() || hosted_disks_ready())
		return 0;
	leave();
	ret = hostcall_ppoll(fds, count, timeout);
	hostcall_read(hosted.door_fd, &rung, sizeof(rung));
	come_back();
	return ret;
}

/* ---- the host's side ---- */

void hosted_wake_enclave(void)
{
	uint64_t one = 1;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (unsigned int i = 0; i < RT_CPUS_MAX && rt_cpus[i].thread; i++) {
		if (!__atomic_load_n(&rt_cpus[i].asleep, __ATOMIC_RELAXED))
			continue;
		if (write(hosted.door_fd, &one, sizeof(one)) < 0)
			return;		/* it is as full as can be: rung already */
		return;
	}
}

void hosted_sleep(struct hosted_thread *thread, bool (*has_work)(void *), void *argument)
{
	uint64_t start = __builtin_ia32_rdtsc(), kicks;

	while (__builtin_ia32_rdtsc() - start < hosted.poll_cycles) {
		if (has_work(argument))
			return;
		__builtin_ia32_pause();
	}
	__atomic_store_n(&thread->asleep, 1, __ATOMIC_SEQ_CST);
	/* Kicked meanwhile: then the read ends at once. */
	if (has_work(argument) && __atomic_exchange_n(&thread->asleep, 0, __ATOMIC_SEQ_CST))
		return;
	while (read(thread->kick_fd, &kicks, sizeof(kicks)) < 0 && errno == EINTR)
		;
}

void hosted_thread_start(struct hosted_thread *thread, const char *name, void *(*run)(void *),
			 void *argument)
{
	sigset_t all, before;
	pthread_t id;
	int err;

	thread->kick_fd = eventfd(0, EFD_CLOEXEC);
	if (thread->kick_fd < 0)
		rt_fail("cannot make an eventfd: %s", strerror(errno));
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&id, NULL, run, argument);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err)
		rt_fail("cannot start a thread of the host: %s", strerror(err));
	pthread_setname_np(id, name);
}

/* On one core a poller would only keep the other side from running. */
static bool has_one_core(void)
{
	cpu_set_t cores;

	return !sched_getaffinity(0, sizeof(cores), &cores) && CPU_COUNT(&cores) == 1;
}

void rt_baseline_start_hosted(struct rt_launch *launch)
{
	hosted.cycles = launch->world_switch_cycles;
	hosted.poll_cycles = has_one_core() ? 0 : POLL_CYCLES;
	if (has_one_core() && launch->poll == RT_POLL_ADAPTIVE)
		launch->poll = RT_POLL_SLEEP;
	hosted.door_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (hosted.door_fd < 0)
		rt_fail("cannot make an eventfd: %s", strerror(errno));
	hosted_tap_prepare();
	hosted_disks_prepare(launch->io_threads);
	rt_wait_call = wait_outside;
}

uint64_t rt_baseline_crossings(uint64_t *ret_cycles)
{
	*ret_cycles = hosted.cycles;
	return hosted.crossings;
}
