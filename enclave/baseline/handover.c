// SPDX-License-Identifier: GPL-2.0-only
/*
 * Switchless: a call goes through a queue to a worker, a thread of the host
 * that polls it, and the caller waits: polling at first, then asleep, which
 * takes a world switch. A worker is reserved before it is given a call, so
 * that none waits behind another that blocks; where none is awake, the call
 * leaves the enclave as in sync. Both as in Intel's SDK.
 *
 * On one CPU nobody is to poll: a worker is never awake, and all calls leave.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "program.h"

enum {
	WORKERS_MAX = 64,
	STACK_BYTES = 32 << 10,
	POLL_CYCLES = 100000,		/* some 40 us, then asleep */
	POKE_NS = 1000000,
	SIGNAL_SYS = 31,
	SIGNALS = 65,
	RESTARTS = 0x10000000,		/* SA_RESTART */
	MASK_BYTES = 8,
	CALLS_BEFORE_WORKERS = 100,
};

/* Of one generation: stopped workers keep theirs until they notice. */
struct pool {
	struct queue queue;
	uint32_t awake;			/* workers that poll and are not reserved */
	uint32_t asleep;
	uint32_t doorbell;
	uint32_t stop;
	uint64_t rung;			/* TSC of the last time that a worker was woken */
};

static struct pool *pool;
static uint32_t starting;

static void wait_on(uint32_t *word, uint32_t value, long ns)
{
	struct timespec timeout = { .tv_nsec = ns };

	call6(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, ns ? &timeout : 0, 0, 0);
}

static void wake(uint32_t *word)
{
	call6(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
}

/* One less, if there is one. */
static bool take_one(uint32_t *count)
{
	uint32_t n = __atomic_load_n(count, __ATOMIC_SEQ_CST);

	while (n && !__atomic_compare_exchange_n(count, &n, n - 1, true, __ATOMIC_SEQ_CST,
						 __ATOMIC_SEQ_CST))
		;
	return n;
}

/* ---- workers ---- */

static void work_on(struct request *request)
{
	uint32_t before;

	__atomic_store_n(&request->worker, call0(SYS_gettid), __ATOMIC_RELAXED);
	request->result = host_call(request->nr, request->arg[0], request->arg[1], request->arg[2],
				    request->arg[3], request->arg[4], request->arg[5]);
	before = __atomic_exchange_n(&request->state, REQUEST_DONE, __ATOMIC_SEQ_CST);
	if (before == REQUEST_SLEEPING)
		wake(&request->state);
}

/* Asleep until the doorbell rings; counted as awake again then. */
static void worker_sleep(struct pool *mine)
{
	uint32_t rung = __atomic_load_n(&mine->doorbell, __ATOMIC_SEQ_CST);

	if (!take_one(&mine->awake))
		return;		/* reserved: a call is on its way */
	__atomic_fetch_add(&mine->asleep, 1, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&mine->stop, __ATOMIC_SEQ_CST))
		wait_on(&mine->doorbell, rung, 0);
	__atomic_fetch_sub(&mine->asleep, 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&mine->awake, 1, __ATOMIC_SEQ_CST);
}

/* entry.S calls this on a worker's own stack. */
void worker_main(struct pool *mine)
{
	uint64_t since = __builtin_ia32_rdtsc();

	__atomic_fetch_add(&mine->awake, 1, __ATOMIC_SEQ_CST);
	for (;;) {
		struct request *request = queue_pop(&mine->queue);

		if (request) {
			work_on(request);
			__atomic_fetch_add(&mine->awake, 1, __ATOMIC_SEQ_CST);
			since = __builtin_ia32_rdtsc();
			continue;
		}
		if (__atomic_load_n(&mine->stop, __ATOMIC_SEQ_CST) && take_one(&mine->awake))
			call1(SYS_exit, 0);
		__builtin_ia32_pause();
		if (__builtin_ia32_rdtsc() - since < POLL_CYCLES)
			continue;
		worker_sleep(mine);
		since = __builtin_ia32_rdtsc();
	}
}

static bool start_worker(struct pool *mine)
{
	static const unsigned long flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
					   CLONE_THREAD | CLONE_SYSVSEM;
	char *stack = (char *)call6(SYS_mmap, 0, STACK_BYTES, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (failed((long)stack))
		return false;
	return !failed(host_worker(flags, (unsigned long)stack + STACK_BYTES, mine));
}

/* With every signal blocked but the one that interrupts a worker. */
static void start_pool(void)
{
	uint64_t all = ~(1UL << (SIGNAL_SYS - 1)), before;
	struct pool *mine;
	uint32_t i;

	if (__atomic_exchange_n(&starting, 1, __ATOMIC_ACQUIRE))
		return;
	mine = (struct pool *)call6(SYS_mmap, 0, sizeof(*mine), PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (failed((long)mine))
		return;
	queue_init(&mine->queue);
	call4(SYS_rt_sigprocmask, 2, &all, &before, MASK_BYTES);
	for (i = 0; i < state->io_threads && i < WORKERS_MAX; i++)
		start_worker(mine);
	call4(SYS_rt_sigprocmask, 2, &before, 0, MASK_BYTES);
	__atomic_store_n(&pool, mine, __ATOMIC_RELEASE);
}

/* A child by fork has none of its parent's threads. */
void handover_forget(void)
{
	pool = NULL;
	starting = 0;
}

/* Their credentials are no longer the program's: others are started when needed. */
void handover_stop(void)
{
	struct pool *mine = __atomic_exchange_n(&pool, NULL, __ATOMIC_SEQ_CST);

	if (!mine)
		return;
	__atomic_store_n(&mine->stop, 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&mine->doorbell, 1, __ATOMIC_SEQ_CST);
	call6(SYS_futex, &mine->doorbell, FUTEX_WAKE_PRIVATE, WORKERS_MAX, 0, 0, 0);
	__atomic_store_n(&starting, 0, __ATOMIC_RELEASE);
}

/* ---- signals while a worker has our call ---- */

static struct {
	void (*handler)(int sig, void *info, void *context);
	unsigned long flags;
} actions[SIGNALS];

static void on_signal(int sig, void *info, void *context)
{
	struct thread *self = this_thread();
	uint32_t asleep = REQUEST_SLEEPING;

	self->interrupted = actions[sig].flags & RESTARTS ? 1 : 2;
	/* A wait that is about to begin must not. */
	__atomic_compare_exchange_n(&self->request.state, &asleep, REQUEST_WAITING, false,
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	actions[sig].handler(sig, info, context);
}

/* What the host is to call for the program's @handler. */
unsigned long handover_handler(struct thread *self, int sig, unsigned long handler,
			       unsigned long flags, unsigned long *ret_before)
{
	*ret_before = 0;
	if (state->kind != STATE_SWITCHLESS || sig <= 0 || sig >= SIGNALS)
		return handler;
	*ret_before = (unsigned long)actions[sig].handler;
	if (handler <= 1)
		return handler;
	if (!self->shares_memory_only) {
		actions[sig].handler = (void (*)(int, void *, void *))handler;
		actions[sig].flags = flags;
	}
	return (unsigned long)on_signal;
}

/* signal(7): whatever the handler asks for. */
static bool never_restarts(long nr)
{
	return nr == SYS_epoll_wait || nr == SYS_epoll_pwait || nr == SYS_epoll_pwait2 ||
	       nr == SYS_poll || nr == SYS_ppoll || nr == SYS_select || nr == SYS_pselect6 ||
	       nr == SYS_io_getevents || nr == SYS_io_uring_enter;
}

static void pass_interruption(struct thread *self)
{
	uint32_t worker = __atomic_load_n(&self->request.worker, __ATOMIC_RELAXED);

	if (self->interrupted == 1 && !never_restarts(self->request.nr))
		self->interrupted = 0;
	else if (worker)
		call3(SYS_tgkill, call0(SYS_getpid), worker, SIGNAL_SYS);
}

/* ---- the caller ---- */

static void sleep_for(struct thread *self)
{
	uint32_t *word = &self->request.state, waiting = REQUEST_WAITING;

	if (!__atomic_compare_exchange_n(word, &waiting, REQUEST_SLEEPING, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST))
		return;
	self->sleeps++;
	self->crossings++;
	spin(state->cycles / 2);
	do {
		if (self->interrupted)
			pass_interruption(self);
		wait_on(word, REQUEST_SLEEPING, self->interrupted ? POKE_NS : 0);
	} while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == REQUEST_SLEEPING);
	spin(state->cycles - state->cycles / 2);
}

static void await(struct thread *self)
{
	uint64_t since = __builtin_ia32_rdtsc();

	while (__atomic_load_n(&self->request.state, __ATOMIC_ACQUIRE) != REQUEST_DONE) {
		__builtin_ia32_pause();
		if (__builtin_ia32_rdtsc() - since > POLL_CYCLES)
			sleep_for(self);
	}
}

/* One that was woken just now may not have come to run yet. */
static void wake_worker(struct pool *mine)
{
	uint64_t now = __builtin_ia32_rdtsc();

	if (!__atomic_load_n(&mine->asleep, __ATOMIC_SEQ_CST) ||
	    __atomic_load_n(&mine->awake, __ATOMIC_SEQ_CST) ||
	    now - __atomic_load_n(&mine->rung, __ATOMIC_RELAXED) < POLL_CYCLES)
		return;
	__atomic_store_n(&mine->rung, now, __ATOMIC_RELAXED);
	__atomic_fetch_add(&mine->doorbell, 1, __ATOMIC_SEQ_CST);
	wake(&mine->doorbell);
}

/* Out of the enclave as in sync; and out there, wake a worker for the next call. */
static long fall_back(struct thread *self, const struct frame *frame, struct pool *mine)
{
	long ret = cross(self, frame);

	self->fallbacks++;
	if (mine && state->cpus > 1)
		wake_worker(mine);
	return ret;
}

/* Workers are not worth it for a process that ends after a few calls. */
static bool has_lasted(void)
{
	static uint32_t calls;

	return __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED) > CALLS_BEFORE_WORKERS;
}

long handover(struct thread *self, const struct frame *frame)
{
	struct request *request = &self->request;
	struct pool *mine;
	long ret;

	if (state->kind != STATE_SWITCHLESS || self->shares_memory_only)
		return cross(self, frame);
	mine = __atomic_load_n(&pool, __ATOMIC_ACQUIRE);
	if (!mine && state->cpus > 1 && has_lasted())
		start_pool();
	/* In use: we are in a handler that interrupted a call, or one jumped out of it. */
	if (!mine || request->state != REQUEST_FREE || !take_one(&mine->awake))
		return fall_back(self, frame, mine);
	request->nr = frame->nr;
	memcpy(request->arg, frame->arg, sizeof(request->arg));
	request->worker = 0;
	self->interrupted = 0;
	__atomic_store_n(&request->state, REQUEST_WAITING, __ATOMIC_RELEASE);
	queue_push(&mine->queue, request);	/* never full: one place for each reserved worker */
	self->handed_over++;
	await(self);
	ret = request->result;
	__atomic_store_n(&request->state, REQUEST_FREE, __ATOMIC_RELEASE);
	return ret;
}
