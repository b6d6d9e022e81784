/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes signals look as a library kernel presents them: the interrupted
 * address is where the call goes on, or, for a call to be made (again), the
 * syscall instruction before it. Runs on the program's threads: no errno.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "fakeexec.h"

struct kernel_sigaction {
	void (*handler)(int, siginfo_t *, void *);
	unsigned long flags;
	void (*restorer)(void);
	unsigned long mask;
};

enum { SIGNALS = 65 };

static void (*handlers[SIGNALS])(int, siginfo_t *, void *);

static int within(uintptr_t ip, const char *first, const char *last)
{
	return ip >= (uintptr_t)first && ip <= (uintptr_t)last;
}

static void leave_entry(greg_t *regs)
{
	uintptr_t ip = regs[REG_RIP];

	if (!within(ip, fake_entry, fake_raised))
		return;
	if (within(ip, fake_syscall, fake_done))
		regs[REG_RCX] = *(greg_t *)regs[REG_RSP];
	if (within(ip, fake_lowered, fake_loaded))
		regs[REG_RSP] += 136;
	regs[REG_RIP] = regs[REG_RCX];
	if (within(ip, fake_entry, fake_syscall))
		regs[REG_RIP] -= 2;
}

static void deliver(int sig, siginfo_t *info, void *context)
{
	leave_entry(((ucontext_t *)context)->uc_mcontext.gregs);
	handlers[sig](sig, info, context);
}

static long host_sigaction(long sig, const void *new, void *old, long size)
{
	register long r10 __asm__("r10") = size;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(SYS_rt_sigaction), "D"(sig), "S"(new), "d"(old), "r"(r10)
			 : "rcx", "r11", "memory");
	return result;
}

static int is_function(void (*handler)(int, siginfo_t *, void *))
{
	return (uintptr_t)handler > (uintptr_t)SIG_IGN;
}

/* Called by the entry in the place of rt_sigaction. */
__attribute__((visibility("hidden"))) long
fake_sigaction(long sig, const struct kernel_sigaction *new, struct kernel_sigaction *old, long size)
{
	void (*former)(int, siginfo_t *, void *) = 0;
	struct kernel_sigaction ours;
	long result;

	if (sig > 0 && sig < SIGNALS)
		former = handlers[sig];
	if (new && former != new->handler && is_function(new->handler) && sig > 0 && sig < SIGNALS)
		handlers[sig] = new->handler;
	if (new) {
		ours = *new;
		if (is_function(ours.handler))
			ours.handler = deliver;
	}
	result = host_sigaction(sig, new ? &ours : 0, old, size);
	if (!result && old && old->handler == deliver)
		old->handler = former;
	return result;
}
