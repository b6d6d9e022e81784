// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host threads of further CPUs. The lock-down allows no new thread, so all
 * of them are made before it, set themselves up, lock themselves down, and
 * sleep until the library kernel brings up their CPU.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "hostcall.h"
#include "lockdown.h"
#include "net.h"
#include "runtime.h"

struct secondary {
	unsigned int cpu;
	unsigned long host_fs, host_sp;
	bool called, came;
	unsigned long gs_base, sp;
	void (*entry)(void);
};

enum { KICK_EVERY_NS = 200000 };

static struct secondary secondaries[RT_CPUS_MAX];

unsigned long rt_fs_base(void)
{
	unsigned long base;

	asm volatile("rdfsbase %0" : "=r" (base));
	return base;
}

/* A kick ends the wait; rt_start_cpu() goes on kicking until we came. */
static void wait_for_call(struct secondary *self)
{
	while (!__atomic_load_n(&self->called, __ATOMIC_ACQUIRE))
		hostcall_ppoll(NULL, 0, NULL);
	__atomic_store_n(&self->came, true, __ATOMIC_RELEASE);
}

static void *run_secondary(void *arg)
{
	struct secondary *self = arg;

	self->host_fs = rt_fs_base();
	self->host_sp = rt_host_stack_start();
	rt_net_thread_start();
	rt_thread_start(self->cpu);
	rt_lockdown_start_thread();
	wait_for_call(self);
	libos_set_host_thread(self->cpu, self->host_fs, self->host_sp);
	asm volatile("wrgsbase %0\n"
		     "mov %1, %%rsp\n"
		     "xor %%ebp, %%ebp\n"
		     "call *%2\n"
		     :: "r" (self->gs_base), "r" (self->sp), "r" (self->entry) : "memory");
	__builtin_unreachable();
}

void rt_cpus_start(unsigned int cpus)
{
	unsigned int cpu;
	pthread_t thread;
	int err;

	for (cpu = 1; cpu < cpus; cpu++) {
		secondaries[cpu].cpu = cpu;
		err = pthread_create(&thread, NULL, run_secondary, &secondaries[cpu]);
		if (err)
			rt_fail("cannot make a thread for CPU %u: %s", cpu, strerror(err));
	}
	rt_lockdown_start_await(cpus - 1);
}

int rt_start_cpu(unsigned int cpu, unsigned long gs_base, void (*entry)(void), unsigned long sp)
{
	struct secondary *it = &secondaries[cpu];

	if (cpu >= RT_CPUS_MAX || !rt_cpus[cpu].thread || it->called)
		return -ENODEV;
	it->gs_base = gs_base;
	it->entry = entry;
	it->sp = sp;
	__atomic_store_n(&it->called, true, __ATOMIC_RELEASE);
	/* Not faster: handlers nest, and the signal stack has an end. */
	while (!__atomic_load_n(&it->came, __ATOMIC_ACQUIRE)) {
		rt_kick(cpu);
		hostcall_ppoll(NULL, 0, &(struct timespec){ .tv_nsec = KICK_EVERY_NS });
	}
	return 0;
}
