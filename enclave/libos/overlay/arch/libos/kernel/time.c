// SPDX-License-Identifier: GPL-2.0-only
/*
 * Time: the TSC, with the frequency that the runtime measured at start. Timer
 * "interrupts" are found by looking: from idle, from the host's tick in the
 * application, and every few system calls.
 */
#include <linux/clockchips.h>
#include <linux/clocksource.h>
#include <linux/delay.h>
#include <linux/hardirq.h>
#include <linux/math64.h>
#include <linux/sched/clock.h>
#include <linux/timekeeping.h>
#include <asm/irq_regs.h>
#include <asm/timex.h>
#include "libos.h"

unsigned long libos_tsc_khz;
static u32 clock_mult, clock_shift;
static u64 clock_base;
static DEFINE_PER_CPU(struct clock_event_device, clockevent);
static DEFINE_PER_CPU(struct pt_regs, timer_regs);

unsigned long long notrace sched_clock(void)
{
	if (unlikely(!clock_mult))
		return 0;
	return mul_u64_u32_shr(libos_rdtsc() - clock_base, clock_mult, clock_shift);
}

static u64 clocksource_read(struct clocksource *cs)
{
	return libos_rdtsc();
}

static struct clocksource clocksource_tsc = {
	.name = "tsc",
	.rating = 400,
	.read = clocksource_read,
	.mask = CLOCKSOURCE_MASK(64),
	.flags = CLOCK_SOURCE_IS_CONTINUOUS | CLOCK_SOURCE_VALID_FOR_HRES,
};

static int set_next_event(unsigned long delta, struct clock_event_device *ce)
{
	this_cpu_write(libos_cpu.next_event_tsc, libos_rdtsc() + delta);
	return 0;
}

static int shutdown(struct clock_event_device *ce)
{
	this_cpu_write(libos_cpu.next_event_tsc, U64_MAX);
	return 0;
}

void libos_clockevent_init(void)
{
	struct clock_event_device *ce = this_cpu_ptr(&clockevent);

	ce->name = "libos";
	ce->rating = 400;
	ce->features = CLOCK_EVT_FEAT_ONESHOT;
	ce->set_next_event = set_next_event;
	ce->set_state_shutdown = shutdown;
	ce->set_state_oneshot = shutdown;
	ce->set_state_oneshot_stopped = shutdown;
	ce->cpumask = cpumask_of(smp_processor_id());
	this_cpu_write(libos_cpu.next_event_tsc, U64_MAX);
	clockevents_config_and_register(ce, libos_tsc_khz * 1000, 1000, LONG_MAX);
}

/* Interrupts are off. Run what the timer of this CPU is due for. */
void libos_timer_poll(void)
{
	struct pt_regs *old;

	if (likely(libos_rdtsc() < this_cpu_read(libos_cpu.next_event_tsc)))
		return;
	this_cpu_write(libos_cpu.next_event_tsc, U64_MAX);
	old = set_irq_regs(this_cpu_ptr(&timer_regs));
	irq_enter();
	this_cpu_ptr(&clockevent)->event_handler(this_cpu_ptr(&clockevent));
	irq_exit();
	set_irq_regs(old);
}

void __init time_init(void)
{
	clocks_calc_mult_shift(&clock_mult, &clock_shift, libos_tsc_khz, NSEC_PER_MSEC, 600);
	clock_base = libos_rdtsc();
	clocksource_register_khz(&clocksource_tsc, libos_tsc_khz);
	libos_clockevent_init();
}

void read_persistent_clock64(struct timespec64 *ts)
{
	*ts = ns_to_timespec64(rt_realtime_ns());
}

void calibrate_delay(void)
{
	loops_per_jiffy = libos_tsc_khz * 1000 / HZ;
}

void __delay(unsigned long cycles)
{
	u64 end = libos_rdtsc() + cycles;

	while (libos_rdtsc() < end)
		cpu_relax();
}
EXPORT_SYMBOL(__delay);

void __udelay(unsigned long us)
{
	__delay(libos_us_to_tsc(us));
}
EXPORT_SYMBOL(__udelay);

void __ndelay(unsigned long ns)
{
	__delay(ns * libos_tsc_khz / 1000000);
}
EXPORT_SYMBOL(__ndelay);

/* The argument is microseconds * 2^32 / 10^6. */
void __const_udelay(unsigned long scaled)
{
	__delay(mul_u64_u64_shr(scaled, libos_tsc_khz * 1000, 32));
}
EXPORT_SYMBOL(__const_udelay);
