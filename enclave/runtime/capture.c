// SPDX-License-Identifier: GPL-2.0-only
/*
 * Capture: Syscall User Dispatch turns every system call instruction outside
 * our image into SIGSYS, faults come as SIGSEGV and its kin, the tick and
 * kicks from other CPUs as signals of their own. The handler makes pt_regs of
 * what was interrupted, asks the library kernel where to go on, and goes there
 * without rt_sigreturn: the mask is empty, so registers are all there is.
 */
#include <errno.h>
#include <linux/audit.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "hostcall.h"
#include "runtime.h"

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif
#define XFEATURES 0xe7	/* as the library kernel's fpu.c */

extern char __executable_start[], _end[];
extern void rt_note_signal(int sig);

struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx;
	unsigned long r11, r10, r9, r8, ax, cx, dx, si, di;
	unsigned long orig_ax;
	unsigned long ip, cs, flags, sp, ss;
};

/* gregs (rdi), XSAVE area (rsi): load them all and go on. */
void rt_resume(const greg_t *gregs, const void *fpregs) __attribute__((noreturn));
asm(".text\n"
    "rt_resume:\n"
    "	mov	$0xe7, %eax\n"
    "	xor	%edx, %edx\n"
    "	xrstor64 (%rsi)\n"
    "	pushq	$0x2b\n"
    "	pushq	15*8(%rdi)\n"	/* rsp */
    "	pushq	17*8(%rdi)\n"	/* flags */
    "	pushq	$0x33\n"
    "	pushq	16*8(%rdi)\n"	/* rip */
    "	mov	0*8(%rdi), %r8\n"
    "	mov	1*8(%rdi), %r9\n"
    "	mov	2*8(%rdi), %r10\n"
    "	mov	3*8(%rdi), %r11\n"
    "	mov	4*8(%rdi), %r12\n"
    "	mov	5*8(%rdi), %r13\n"
    "	mov	6*8(%rdi), %r14\n"
    "	mov	7*8(%rdi), %r15\n"
    "	mov	9*8(%rdi), %rsi\n"
    "	mov	10*8(%rdi), %rbp\n"
    "	mov	11*8(%rdi), %rbx\n"
    "	mov	12*8(%rdi), %rdx\n"
    "	mov	13*8(%rdi), %rax\n"
    "	mov	14*8(%rdi), %rcx\n"
    "	mov	8*8(%rdi), %rdi\n"
    "	iretq\n");

static void load_regs(struct pt_regs *regs, const greg_t *g)
{
	*regs = (struct pt_regs){
		.r15 = g[REG_R15], .r14 = g[REG_R14], .r13 = g[REG_R13], .r12 = g[REG_R12],
		.bp = g[REG_RBP], .bx = g[REG_RBX], .r11 = g[REG_R11], .r10 = g[REG_R10],
		.r9 = g[REG_R9], .r8 = g[REG_R8], .ax = g[REG_RAX], .cx = g[REG_RCX],
		.dx = g[REG_RDX], .si = g[REG_RSI], .di = g[REG_RDI], .orig_ax = -1UL,
		.ip = g[REG_RIP], .cs = 0x33, .flags = g[REG_EFL], .sp = g[REG_RSP], .ss = 0x2b,
	};
}

/* Only these change when the kernel sends us elsewhere. */
static void store_regs(greg_t *g, const struct pt_regs *regs)
{
	g[REG_RIP] = regs->ip;
	g[REG_RSP] = regs->sp;
	g[REG_EFL] = regs->flags;
}

/* A signal that comes before the wait, not in it, must end it all the same. */
static void end_sleep(struct rt_cpu *cpu)
{
	if (!__atomic_load_n(&cpu->asleep, __ATOMIC_SEQ_CST))
		return;
	cpu->timeout.tv_sec = 0;
	cpu->timeout.tv_nsec = 0;
}

static void classify(struct libos_trap *trap, struct pt_regs *regs, int sig,
		     const siginfo_t *info, const greg_t *g)
{
	switch (sig) {
	case SIGSYS:
		trap->kind = LIBOS_TRAP_SYSCALL;
		/* int $0x80 has another table of calls, which we don't have. */
		regs->orig_ax = info->si_arch == AUDIT_ARCH_X86_64 ? info->si_syscall : -1;
		regs->ax = -ENOSYS;
		break;
	case SIGSEGV:
	case SIGBUS:
	case SIGILL:
	case SIGFPE:
	case SIGTRAP:
		trap->kind = LIBOS_TRAP_FAULT;
		trap->sig = sig;
		trap->code = info->si_code & 0xff;
		trap->address = (unsigned long)info->si_addr;
		trap->error = g[REG_ERR];
		trap->trap_nr = g[REG_TRAPNO];
		break;
	case RT_SIGNAL_TICK:
	case RT_SIGNAL_KICK:
		trap->kind = LIBOS_TRAP_TICK;
		break;
	default:
		rt_note_signal(sig);
		trap->kind = LIBOS_TRAP_SIGNAL;
	}
}

/* The library kernel gives each thread that has become a CPU a GS base. */
static bool is_cpu(void)
{
	unsigned long base;

	asm volatile("rdgsbase %0" : "=r" (base));
	return base;
}

/* Before that, only what comes from outside can come: kept for CPU 0. */
static void on_early_signal(int sig, const siginfo_t *info)
{
	if (info->si_code > 0 && (sig == SIGSEGV || sig == SIGBUS || sig == SIGILL || sig == SIGFPE))
		hostcall_exit_group(128 + sig);
	if (sig != RT_SIGNAL_TICK && sig != RT_SIGNAL_KICK)
		rt_note_signal(sig);
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
	mcontext_t *host = &((ucontext_t *)context)->uc_mcontext;
	struct pt_regs regs;
	struct libos_trap trap = { .regs = &regs };

	if (!is_cpu()) {
		on_early_signal(sig, info);
		rt_resume(host->gregs, host->fpregs);
	}
	load_regs(&regs, host->gregs);
	classify(&trap, &regs, sig, info, host->gregs);
	libos_trap(&trap);
	if (trap.kind == LIBOS_TRAP_TICK || trap.kind == LIBOS_TRAP_SIGNAL)
		end_sleep(&rt_cpus[trap.cpu]);
	store_regs(host->gregs, &regs);
	rt_resume(host->gregs, host->fpregs);
}

static void handle(int sig)
{
	struct sigaction action = {
		.sa_sigaction = on_signal,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER,
	};

	if (sigaction(sig, &action, NULL))
		rt_fail("cannot handle signal %d: %s", sig, strerror(errno));
}

void rt_signals_start(void)
{
	static const int signals[] = {
		SIGSYS, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, RT_SIGNAL_TICK, RT_SIGNAL_KICK,
		SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGCONT, SIGWINCH,
	};
	size_t i;

	for (i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		handle(signals[i]);
}

/* A tick for every 4 ms that this thread computes, none while it sleeps. */
static void start_tick(void)
{
	struct sigevent event = {
		.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = RT_SIGNAL_TICK,
	};
	struct itimerspec interval = {
		.it_interval.tv_nsec = RT_TICK_US * 1000,
		.it_value.tv_nsec = RT_TICK_US * 1000,
	};
	int timer;

	event._sigev_un._tid = syscall(SYS_gettid);
	if (syscall(SYS_timer_create, CLOCK_THREAD_CPUTIME_ID, &event, &timer) ||
	    syscall(SYS_timer_settime, timer, 0, &interval, NULL))
		rt_fail("cannot make a timer: %s", strerror(errno));
}

static void start_signal_stack(void)
{
	stack_t stack = { .ss_size = RT_SIGNAL_STACK_BYTES };

	stack.ss_sp = mmap(NULL, stack.ss_size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stack.ss_sp == MAP_FAILED || sigaltstack(&stack, NULL))
		rt_fail("cannot make a signal stack: %s", strerror(errno));
}

void rt_thread_start(unsigned int cpu)
{
	unsigned long start = (unsigned long)__executable_start;

	rt_cpus[cpu].thread = syscall(SYS_gettid);
	start_signal_stack();
	start_tick();
	if (prctl(PR_SET_SYSCALL_USER_DISPATCH, 1, start, (unsigned long)_end - start, 0))
		rt_fail("the host kernel has no Syscall User Dispatch; Linux 5.11 or later is needed");
}
