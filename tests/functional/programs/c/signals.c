// SPDX-License-Identifier: Apache-2.0
/* Signal frames, stacks, masks and restarts as x86-64 programs know them. */
#include "check.h"
#include <pthread.h>
#include <setjmp.h>
#include <ucontext.h>

static volatile int count;
static volatile siginfo_t seen;
static sigjmp_buf back;

static void counted(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	seen = *info;
	count++;
}

static volatile unsigned long regs_seen[16];

static void skip_ud2(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig;
	(void)info;
	for (int i = 0; i < 16; i++)
		regs_seen[i] = (unsigned long)regs[i];
	regs[REG_RIP] += 2;
	regs[REG_R12] = 0x1212;
	regs[REG_RAX] = 0xaaaa;
}

static void the_context_holds_the_registers_and_sets_them(void)
{
	unsigned long r12, rax, r15, sp;

	on(SIGILL, skip_ud2, 0);
	asm volatile("mov $0xb0b, %%ebx\n mov $0x808, %%r8d\n mov $0x909, %%r9d\n"
		     "mov $0x101, %%r10d\n mov $0x111, %%r11d\n mov $0x112, %%r12d\n"
		     "mov $0x113, %%r13d\n mov $0x114, %%r14d\n mov $0x115, %%r15d\n"
		     "mov $0xd1, %%edi\n mov $0x51, %%esi\n mov $0xd, %%edx\n mov $0xc, %%ecx\n"
		     "mov %%rsp, %3\n ud2\n mov %%r12, %0\n mov %%rax, %1\n mov %%r15, %2\n"
		     : "=m"(r12), "=m"(rax), "=m"(r15), "=m"(sp)
		     :: "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12",
		       "r13", "r14", "r15", "memory");
	CHECK_EQUAL(regs_seen[REG_RBX], 0xb0b);
	CHECK_EQUAL(regs_seen[REG_R8], 0x808);
	CHECK_EQUAL(regs_seen[REG_R9], 0x909);
	CHECK_EQUAL(regs_seen[REG_R10], 0x101);
	CHECK_EQUAL(regs_seen[REG_R11], 0x111);
	CHECK_EQUAL(regs_seen[REG_R12], 0x112);
	CHECK_EQUAL(regs_seen[REG_R13], 0x113);
	CHECK_EQUAL(regs_seen[REG_R14], 0x114);
	CHECK_EQUAL(regs_seen[REG_R15], 0x115);
	CHECK_EQUAL(regs_seen[REG_RDI], 0xd1);
	CHECK_EQUAL(regs_seen[REG_RSI], 0x51);
	CHECK_EQUAL(regs_seen[REG_RDX], 0xd);
	CHECK_EQUAL(regs_seen[REG_RCX], 0xc);
	CHECK_EQUAL(regs_seen[REG_RSP], sp);
	CHECK_EQUAL(r12, 0x1212);
	CHECK_EQUAL(rax, 0xaaaa);
	CHECK_EQUAL(r15, 0x115);
}

static volatile unsigned long xmm_seen;

static void change_xmm0(int sig, siginfo_t *info, void *context)
{
	struct _libc_fpstate *fp = ((ucontext_t *)context)->uc_mcontext.fpregs;

	(void)sig;
	(void)info;
	xmm_seen = *(unsigned long *)(void *)&fp->_xmm[0];
	*(unsigned long *)(void *)&fp->_xmm[0] = 0x777;
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
	asm volatile("pxor %%xmm0, %%xmm0" ::: "xmm0");
}

static void the_frame_holds_simd_registers_and_sets_them(void)
{
	unsigned long value = 0x5555666677778888, after;

	on(SIGILL, change_xmm0, 0);
	asm volatile("movq %1, %%xmm0\n ud2\n movq %%xmm0, %0" : "=r"(after) : "r"(value) : "xmm0");
	CHECK_EQUAL(xmm_seen, value);
	CHECK_EQUAL(after, 0x777);
}

static char *stack_base;
static volatile int nested;

static int on_stack(const void *at)
{
	return (const char *)at >= stack_base && (const char *)at < stack_base + 16 * PAGE;
}

static void on_alternate(int sig, siginfo_t *info, void *context)
{
	stack_t now;
	char here;

	(void)info;
	CHECK(on_stack(&here));
	CHECK(!sigaltstack(NULL, &now));
	CHECK_EQUAL(now.ss_flags, SS_ONSTACK);
	CHECK(((ucontext_t *)context)->uc_stack.ss_sp == stack_base);
	if (sig == SIGUSR1) {
		raise(SIGUSR2);
		CHECK_EQUAL(nested, 1);
	} else {
		nested++;
	}
	count++;
}

static void use_alternate(void)
{
	stack_t stack = { .ss_size = 16 * PAGE };

	stack_base = anonymous(stack.ss_size, PROT_READ | PROT_WRITE);
	stack.ss_sp = stack_base;
	CHECK(!sigaltstack(&stack, NULL));
}

static void handlers_run_on_the_alternate_stack(void)
{
	stack_t after;

	use_alternate();
	on(SIGUSR1, on_alternate, SA_ONSTACK);
	on(SIGUSR2, on_alternate, SA_ONSTACK);
	raise(SIGUSR1);
	CHECK_EQUAL(count, 2);
	CHECK(!sigaltstack(NULL, &after));
	CHECK_EQUAL(after.ss_flags, 0);
}

static void exhaust(int sig, siginfo_t *info, void *context)
{
	volatile char big[8000];

	(void)info;
	(void)context;
	big[0] = 1;
	raise(sig);
	big[1] = big[0];
}

static void overflow_the_alternate(void)
{
	char *guarded = anonymous(32 * PAGE, PROT_NONE);
	stack_t stack = { .ss_sp = guarded + 16 * PAGE, .ss_size = 16 * PAGE };

	mprotect(stack.ss_sp, stack.ss_size, PROT_READ | PROT_WRITE);
	CHECK(!sigaltstack(&stack, NULL));
	on(SIGUSR1, exhaust, SA_ONSTACK | SA_NODEFER);
	raise(SIGUSR1);
}

static void the_alternate_stacks_overflow_is_segv(void)
{
	CHECK_EQUAL(run_forked(overflow_the_alternate), 128 + SIGSEGV);
}

static void jump(int sig, siginfo_t *info, void *context)
{
	(void)info;
	(void)context;
	siglongjmp(back, sig);
}

static void handlers_can_be_jumped_out_of(void)
{
	sigset_t mask;

	use_alternate();
	on(SIGUSR1, jump, SA_ONSTACK);
	for (volatile int i = 0; i < 10000; i++) {
		if (!sigsetjmp(back, 1)) {
			raise(SIGUSR1);
			CHECK(!"not reached");
		}
	}
	sigprocmask(SIG_BLOCK, NULL, &mask);
	CHECK(!sigismember(&mask, SIGUSR1));
}

static void a_timers_handler_jumps_out_of_a_loop(void)
{
	on(SIGALRM, jump, 0);
	for (volatile int i = 0; i < 20; i++) {
		if (!sigsetjmp(back, 1)) {
			alarm_in(2000);
			for (;;)
				;
		}
	}
}

static void mask_inside(int sig, siginfo_t *info, void *context)
{
	sigset_t mask;

	(void)info;
	(void)context;
	sigprocmask(SIG_BLOCK, NULL, &mask);
	CHECK(sigismember(&mask, sig) == 1);
	CHECK(sigismember(&mask, SIGUSR2) == 1);
	raise(SIGUSR2);
	CHECK_EQUAL(count, 0);
}

static void masks_hold_and_come_back(void)
{
	struct sigaction action = { .sa_sigaction = mask_inside, .sa_flags = SA_SIGINFO };
	sigset_t mask;

	sigaddset(&action.sa_mask, SIGUSR2);
	CHECK(!sigaction(SIGUSR1, &action, NULL));
	on(SIGUSR2, counted, 0);
	raise(SIGUSR1);
	CHECK_EQUAL(count, 1);
	sigprocmask(SIG_BLOCK, NULL, &mask);
	CHECK(!sigismember(&mask, SIGUSR1) && !sigismember(&mask, SIGUSR2));
}

static void reset_and_nodefer(void)
{
	struct sigaction now;

	on(SIGUSR1, counted, SA_RESETHAND | SA_NODEFER);
	raise(SIGUSR1);
	CHECK(!sigaction(SIGUSR1, NULL, &now));
	CHECK(now.sa_handler == SIG_DFL);
	CHECK_EQUAL(count, 1);
}

static void the_sender_is_named(void)
{
	union sigval value = { .sival_int = 4711 };

	on(SIGUSR1, counted, 0);
	kill(getpid(), SIGUSR1);
	CHECK(seen.si_code == SI_USER && seen.si_pid == getpid());
	raise(SIGUSR1);
	CHECK_EQUAL(seen.si_code, SI_TKILL);
	sigqueue(getpid(), SIGUSR1, value);
	CHECK(seen.si_code == SI_QUEUE && seen.si_value.sival_int == 4711);
	on(SIGCHLD, counted, 0);
	if (!fork())
		_exit(7);
	while (seen.si_signo != SIGCHLD)
		usleep(1000);
	CHECK(seen.si_code == CLD_EXITED && seen.si_status == 7);
	CHECK_EQUAL(status_of(-1), 7);
}

static void queued_signals_come_in_order(void)
{
	sigset_t set;
	siginfo_t info;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (int i = 0; i < 100; i++)
		CHECK(!sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = i }));
	for (int i = 0; i < 100; i++) {
		CHECK_EQUAL(sigwaitinfo(&set, &info), SIGRTMIN);
		CHECK_EQUAL(info.si_value.sival_int, i);
	}
}

/* Several are pending when they are unblocked: all their frames pile up. */
static void many_pending_signals_nest(void)
{
	sigset_t all;

	sigfillset(&all);
	for (int i = SIGRTMIN; i <= SIGRTMAX; i++)
		on(i, counted, 0);
	sigprocmask(SIG_BLOCK, &all, NULL);
	for (int i = SIGRTMIN; i <= SIGRTMAX; i++)
		raise(i);
	CHECK_EQUAL(count, 0);
	sigprocmask(SIG_UNBLOCK, &all, NULL);
	CHECK_EQUAL(count, SIGRTMAX - SIGRTMIN + 1);
}

/* The red zone below rsp is a leaf function's own, also under signals. */
static void signals_spare_the_red_zone(void)
{
	unsigned long wrong = 0;

	on(SIGALRM, counted, 0);
	tick_every(1000);
	while (count < 20)
		asm volatile("mov $200000, %%ecx\n mov $0x1234567, %%rax\n"
			     "mov %%rax, -8(%%rsp)\n mov %%rax, -64(%%rsp)\n mov %%rax, -128(%%rsp)\n"
			     "1: cmp %%rax, -8(%%rsp)\n jne 2f\n cmp %%rax, -64(%%rsp)\n jne 2f\n"
			     "cmp %%rax, -128(%%rsp)\n jne 2f\n dec %%ecx\n jnz 1b\n jmp 3f\n"
			     "2: inc %0\n 3:" : "+r"(wrong) :: "rax", "rcx", "cc", "memory");
	CHECK_EQUAL(wrong, 0);
}

static void flags_survive(void)
{
	unsigned long wrong = 0;

	on(SIGALRM, counted, 0);
	tick_every(1000);
	while (count < 20)
		asm volatile("mov $200000, %%ecx\n"
			     "1: std\n stc\n pushfq\n pop %%rax\n lea (%%rcx), %%rcx\n"
			     "jnc 2f\n and $0x400, %%eax\n jz 2f\n cld\n dec %%ecx\n jnz 1b\n jmp 3f\n"
			     "2: inc %0\n 3: cld" : "+r"(wrong) :: "rax", "rcx", "cc", "memory");
	CHECK_EQUAL(wrong, 0);
}

static volatile int direction;

static void look_at_direction(int sig, siginfo_t *info, void *context)
{
	unsigned long flags;

	(void)sig;
	(void)info;
	asm volatile("pushfq; pop %0" : "=r"(flags));
	direction = !!(flags & 0x400);
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
}

static void handlers_start_with_a_clear_direction(void)
{
	unsigned long flags;

	on(SIGILL, look_at_direction, 0);
	asm volatile("std\n ud2\n pushfq\n pop %0\n cld" : "=r"(flags) :: "memory", "cc");
	CHECK_EQUAL(direction, 0);
	CHECK(flags & 0x400);
}

static volatile int spinning, stop;

static void *spin(void *unused)
{
	spinning = 1;
	while (!stop)
		;
	return unused;
}

static void on_thread(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	stop = 1;
}

static void a_spinning_thread_gets_its_signal(void)
{
	pthread_t thread;

	on(SIGUSR1, on_thread, 0);
	CHECK(!pthread_create(&thread, NULL, spin, NULL));
	while (!spinning)
		sched_yield();
	usleep(5000);
	CHECK(!pthread_kill(thread, SIGUSR1));
	CHECK(!pthread_join(thread, NULL));
}

static void spin_forever(void)
{
	for (;;)
		;
}

static void a_spinning_process_dies_of_any_signal(void)
{
	static const int signals[] = { SIGTERM, SIGKILL, SIGINT, SIGALRM };

	for (int i = 0; i < 4; i++) {
		pid_t pid = fork();

		if (!pid)
			spin_forever();
		usleep(10000);
		kill(pid, signals[i]);
		CHECK_EQUAL(status_of(pid), 128 + signals[i]);
	}
}

CASES(CASE(the_context_holds_the_registers_and_sets_them),
      CASE(the_frame_holds_simd_registers_and_sets_them),
      CASE(handlers_run_on_the_alternate_stack), CASE(the_alternate_stacks_overflow_is_segv),
      CASE(handlers_can_be_jumped_out_of), CASE(a_timers_handler_jumps_out_of_a_loop),
      CASE(masks_hold_and_come_back), CASE(reset_and_nodefer), CASE(the_sender_is_named),
      CASE(queued_signals_come_in_order), CASE(many_pending_signals_nest),
      CASE(signals_spare_the_red_zone), CASE(flags_survive),
      CASE(handlers_start_with_a_clear_direction),
      CASE(a_spinning_thread_gets_its_signal), CASE(a_spinning_process_dies_of_any_signal))
