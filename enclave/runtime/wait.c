// SPDX-License-Identifier: GPL-2.0-only
/* CPUs asleep and awake: the one wait call, kicks between CPUs, the way out. */
#include <errno.h>
#include <poll.h>
#include <sys/syscall.h>

#include "console.h"
#include "hostcall.h"
#include "runtime.h"

#include "../libos/overlay/arch/libos/include/asm/hostcall_entry.h"
#include "../libos/overlay/arch/libos/include/asm/runtime_wait.h"

enum {
	WAIT_FDS_MAX = 64,	/* in one wait; the filter knows it too */
	OWN_FDS_MAX = 2,
	NOBODY = -1,
};

struct rt_cpu rt_cpus[RT_CPUS_MAX];
int rt_process;
long (*rt_wait_call)(struct pollfd *fds, unsigned int count,
		     const struct timespec *timeout) = hostcall_ppoll;

static int wait_fds[WAIT_FDS_MAX];
static unsigned long wait_events;	/* bit i: wait_fds[i] is an eventfd */
static unsigned int wait_count;
static int own_fds[RT_CPUS_MAX][OWN_FDS_MAX];
static unsigned int own_count[RT_CPUS_MAX];
static int watcher = NOBODY;	/* the CPU that waits for wait_fds, while it sleeps */
static unsigned int host_signals;
static unsigned int wait_lock;

static void lock(void)
{
	while (__atomic_exchange_n(&wait_lock, 1, __ATOMIC_ACQUIRE))
		hostcall_sched_yield();
}

static void unlock(void)
{
	__atomic_store_n(&wait_lock, 0, __ATOMIC_RELEASE);
}

static void remove_wait(unsigned int i)
{
	unsigned long last = wait_events >> --wait_count & 1;

	wait_fds[i] = wait_fds[wait_count];
	wait_events &= ~(1UL << wait_count | 1UL << i);
	if (i < wait_count)
		wait_events |= last << i;
}

void rt_wait_del(int fd)
{
	unsigned int i;

	lock();
	for (i = 0; i < wait_count; i++)
		if (wait_fds[i] == fd)
			remove_wait(i--);
	unlock();
}

/*
 * Once is enough: a descriptor is never in the list twice. Whoever watches must
 * learn of it, be it asleep already.
 */
static void add_wait(int fd, bool is_event)
{
	int now;

	rt_wait_del(fd);
	lock();
	if (wait_count < WAIT_FDS_MAX - OWN_FDS_MAX) {
		wait_events |= (unsigned long)is_event << wait_count;
		wait_fds[wait_count++] = fd;
	}
	unlock();
	now = __atomic_load_n(&watcher, __ATOMIC_SEQ_CST);
	if (now != NOBODY)
		rt_kick((unsigned int)now);
}

void rt_wait_add(int fd)
{
	add_wait(fd, false);
}

/* Whoever is woken by it takes the event away: it would end each sleep to come. */
void rt_wait_add_event(int fd)
{
	add_wait(fd, true);
}

void rt_wait_add_own(unsigned int cpu, int fd)
{
	if (own_count[cpu] < OWN_FDS_MAX)
		own_fds[cpu][own_count[cpu]++] = fd;
}

static void add_poll(struct pollfd *host_fds, unsigned int *n, const int *fds, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		host_fds[(*n)++] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
}

static void take_events(const struct pollfd *host_fds, unsigned int count, unsigned long events)
{
	unsigned long long value;

	for (unsigned int i = 0; i < count; i++)
		if (events >> i & 1 && host_fds[i].revents & POLLIN)
			hostcall_read(host_fds[i].fd, &value, sizeof(value));
}

void rt_idle_wait(unsigned int cpu)
{
	struct pollfd host_fds[WAIT_FDS_MAX];
	int nobody = NOBODY;
	unsigned int n = 0, own;
	unsigned long events = 0;

	add_poll(host_fds, &n, own_fds[cpu], own_count[cpu]);
	own = n;
	if (__atomic_compare_exchange_n(&watcher, &nobody, (int)cpu, false,
					__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
		lock();
		add_poll(host_fds, &n, wait_fds, wait_count);
		events = wait_events;
		unlock();
	}
	if (rt_wait_call(host_fds, n, &rt_cpus[cpu].timeout) > 0 && events)
		take_events(host_fds + own, n - own, events);
}

/*
 * From here on a signal makes the timeout zero, so that one which comes
 * between the last look for work and the wait is not slept over.
 */
void rt_idle_prepare(unsigned int cpu, unsigned long long timeout_ns)
{
	struct rt_cpu *self = &rt_cpus[cpu];

	self->timeout.tv_sec = timeout_ns / 1000000000;
	self->timeout.tv_nsec = timeout_ns % 1000000000;
	__atomic_store_n(&self->asleep, true, __ATOMIC_SEQ_CST);
}

void rt_idle_done(unsigned int cpu)
{
	int self = (int)cpu;

	__atomic_store_n(&rt_cpus[cpu].asleep, false, __ATOMIC_SEQ_CST);
	__atomic_compare_exchange_n(&watcher, &self, NOBODY, false,
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

void rt_wait_hand_over(void)
{
	unsigned int cpu;

	if (__atomic_load_n(&watcher, __ATOMIC_RELAXED) != NOBODY)
		return;
	for (cpu = 0; cpu < RT_CPUS_MAX && rt_cpus[cpu].thread; cpu++) {
		if (__atomic_load_n(&rt_cpus[cpu].asleep, __ATOMIC_RELAXED)) {
			rt_kick(cpu);
			return;
		}
	}
}

void rt_kick(unsigned int cpu)
{
	if (rt_cpus[cpu].thread)
		hostcall_tgkill(rt_process, rt_cpus[cpu].thread, RT_SIGNAL_KICK);
}

void rt_note_signal(int sig)
{
	__atomic_fetch_or(&host_signals, 1U << sig, __ATOMIC_SEQ_CST);
}

unsigned int rt_take_signals(void)
{
	return __atomic_exchange_n(&host_signals, 0, __ATOMIC_SEQ_CST);
}

void rt_yield(void)
{
	hostcall_sched_yield();
}

static long print_stats(void *unused)
{
	(void)unused;
	rt_stats_print();
	return 0;
}

void rt_exit(int code)
{
	rt_console_restore();
	if (rt_stats_wanted)
		libos_hostcall(print_stats, NULL);
	hostcall_exit_group(code);
}
