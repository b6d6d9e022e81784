// SPDX-License-Identifier: GPL-2.0-only
/*
 * The poll loop of a CPU: timers, IPIs and devices. An idle CPU looks around
 * for a while after the last work, arms the devices' events and sleeps in one
 * host call until one of them, a timer or another CPU wakes it.
 */
#include <linux/cpu.h>
#include <linux/hardirq.h>
#include <linux/sched.h>
#include <linux/sched/idle.h>
#include <linux/sched/signal.h>
#include <asm/poller.h>
#include <asm/runtime_wait.h>
#include <asm/timex.h>
#include "libos.h"

#define SPIN_US		50	/* look for more work that long after the last */
#define DEVICES_US	20	/* a busy CPU looks at the devices that often */
#define SLEEP_MIN_US	20	/* shorter waits are spun */
#define SLEEP_MAX_NS	(10ULL * NSEC_PER_SEC)

static LIST_HEAD(pollers);
unsigned int libos_poll_mode;

void libos_poller_register(struct libos_poller *poller)
{
	list_add_tail_rcu(&poller->node, &pollers);
}

bool libos_poll_devices(void)
{
	struct libos_poller *poller;
	bool found = false;

	if (list_empty(&pollers))
		return false;
	irq_enter();
	list_for_each_entry_rcu(poller, &pollers, node)
		found |= poller->poll(poller);
	irq_exit();
	if (found)
		this_cpu_write(libos_cpu.last_work_tsc, libos_rdtsc());
	return found;
}

static bool arm_devices(void)
{
	struct libos_poller *poller;
	bool found = false;

	list_for_each_entry_rcu(poller, &pollers, node)
		if (poller->arm)
			found |= poller->arm(poller);
	return found;
}

/* From system calls and the tick: the clock, and now and then the devices. */
void libos_poll_all(void)
{
	unsigned long flags;
	u64 now;

	this_cpu_write(libos_cpu.poll_skip, 0);
	local_irq_save(flags);
	libos_timer_poll();
	now = libos_rdtsc();
	if (now >= this_cpu_read(libos_cpu.next_poll_tsc)) {
		this_cpu_write(libos_cpu.next_poll_tsc, now + libos_us_to_tsc(DEVICES_US));
		libos_poll_devices();
	}
	local_irq_restore(flags);
}

static bool must_wake(void)
{
	return need_resched() || this_cpu_read(libos_cpu.pending);
}

/* Spin for what usually follows soon: the answer to what was just sent. */
static bool spin(u64 until)
{
	while (libos_rdtsc() < until) {
		if (must_wake())
			return true;
		libos_timer_poll();
		if (libos_poll_devices() || must_wake())
			return true;
		asm volatile("pause" ::: "memory");
	}
	return false;
}

static void sleep(void)
{
	struct libos_cpu *cpu = this_cpu_ptr(&libos_cpu);
	u64 now = libos_rdtsc(), event = cpu->next_event_tsc, ns = SLEEP_MAX_NS;

	if (event != U64_MAX) {
		if (event <= now + libos_us_to_tsc(SLEEP_MIN_US))
			return;
		ns = min(ns, mul_u64_u64_div_u64(event - now, 1000000, libos_tsc_khz));
	}
	rt_idle_prepare(cpu->cpu, ns);
	if (!must_wake() && !arm_devices()) {
		libos_stats.idle_waits++;
		rt_idle_wait(cpu->cpu);
	}
	rt_idle_done(cpu->cpu);
}

/* Interrupts are off, and stay off: what came is run on the way out. */
void arch_cpu_idle(void)
{
	u64 spin_end = this_cpu_read(libos_cpu.last_work_tsc) + libos_us_to_tsc(SPIN_US);

	if (unlikely(this_cpu_read(libos_cpu.pending)))
		return;
	libos_timer_poll();
	if (libos_poll_devices() || must_wake())
		return;
	if (libos_poll_mode == RT_POLL_BUSY) {
		asm volatile("pause" ::: "memory");
		return;
	}
	if (libos_poll_mode == RT_POLL_ADAPTIVE && spin(spin_end))
		return;
	sleep();
}

/* A spinning CPU: its IPIs are looked at, its host thread yields now and then. */
void libos_relax(void)
{
	asm volatile("pause" ::: "memory");
	if (unlikely(this_cpu_read(libos_cpu.pending)) &&
	    !this_cpu_read(libos_cpu.irqs_off) && !in_hardirq())
		libos_irq_pending();
	if (unlikely(!(this_cpu_inc_return(libos_cpu.spins) & 1023)))
		rt_yield();
}
EXPORT_SYMBOL(libos_relax);

/* Signals that the host sent to the process go to init, which passes them on. */
static void deliver_host_signals(void)
{
	unsigned int signals = rt_take_signals();
	struct task_struct *init = find_task_by_pid_ns(1, &init_pid_ns);
	int sig;

	for (sig = 1; sig < 32 && init; sig++)
		if (signals & (1U << sig))
			send_sig_info(sig, SEND_SIG_NOINFO, init);
}

/* Interrupts were enabled, or the application is about to run: what is there? */
void libos_irq_pending(void)
{
	unsigned long flags, pending;

	local_irq_save(flags);
	pending = this_cpu_xchg(libos_cpu.pending, 0);
	irq_enter();
	if (pending & LIBOS_PENDING_RESCHED)
		scheduler_ipi();
	if (pending & LIBOS_PENDING_CALL)
		generic_smp_call_function_interrupt();
	if (pending & LIBOS_PENDING_SIGNAL) {
		rcu_read_lock();
		deliver_host_signals();
		rcu_read_unlock();
	}
	irq_exit();
	if (pending & LIBOS_PENDING_TICK && !in_interrupt()) {
		libos_poll_all();
		rt_wait_hand_over();
	}
	raw_local_irq_restore(flags);
}
EXPORT_SYMBOL(libos_irq_pending);
