// SPDX-License-Identifier: Apache-2.0
/* Faults become the signals that Linux gives: number, code, address, registers. */
#include "check.h"
#include <fcntl.h>
#include <setjmp.h>
#include <sys/resource.h>
#include <ucontext.h>

static sigjmp_buf back;
static volatile int code;
static void *volatile address;
static volatile unsigned long error, trap, cr2, ip;

static void note(int sig, siginfo_t *info, void *context)
{
	const greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;

	code = info->si_code;
	address = info->si_addr;
	error = (unsigned long)regs[REG_ERR];
	trap = (unsigned long)regs[REG_TRAPNO];
	cr2 = (unsigned long)regs[REG_CR2];
	ip = (unsigned long)regs[REG_RIP];
	siglongjmp(back, sig);
}

#define FAULTS(sig, statement)                                                 \
	do {                                                                   \
		int caught_;                                                   \
		on(sig, note, 0);                                              \
		caught_ = sigsetjmp(back, 1);                                  \
		if (!caught_) {                                                \
			statement;                                             \
			CHECK(!"no fault: " #statement);                       \
		}                                                              \
		CHECK_EQUAL(caught_, sig);                                     \
	} while (0)

static void null_is_unmapped(void)
{
	FAULTS(SIGSEGV, *(volatile char *)0 = 1);
	CHECK_EQUAL(code, SEGV_MAPERR);
	CHECK_EQUAL(address, 0);
	CHECK_EQUAL(trap, 14);
	CHECK_EQUAL(error, 6);
	FAULTS(SIGSEGV, *(volatile char *)24);
	CHECK_EQUAL(address, 24);
	CHECK_EQUAL(error, 4);
}

static void a_guard_page_names_the_address(void)
{
	char *at = anonymous(3 * PAGE, PROT_READ | PROT_WRITE);

	mprotect(at + PAGE, PAGE, PROT_NONE);
	at[0] = at[2 * PAGE] = 1;
	FAULTS(SIGSEGV, *(volatile char *)(at + PAGE + 123) = 1);
	CHECK_EQUAL(code, SEGV_ACCERR);
	CHECK_EQUAL(address, at + PAGE + 123);
	CHECK_EQUAL(cr2, at + PAGE + 123);
	FAULTS(SIGSEGV, *(volatile char *)(at + 2 * PAGE - 1));
	CHECK_EQUAL(address, at + 2 * PAGE - 1);
	CHECK_EQUAL(code, SEGV_ACCERR);
}

static void an_unmapped_page_is_maperr(void)
{
	char *at = anonymous(3 * PAGE, PROT_READ | PROT_WRITE);

	memset(at, 1, 3 * PAGE);
	munmap(at + PAGE, PAGE);
	FAULTS(SIGSEGV, *(volatile char *)(at + PAGE) = 1);
	CHECK_EQUAL(code, SEGV_MAPERR);
	CHECK_EQUAL(address, at + PAGE);
	CHECK(at[PAGE - 1] == 1 && at[2 * PAGE] == 1);
}

static void a_read_only_page_refuses_writes(void)
{
	char *at = anonymous(2 * PAGE, PROT_READ | PROT_WRITE);

	memset(at, 5, 2 * PAGE);
	mprotect(at, 2 * PAGE, PROT_READ);
	FAULTS(SIGSEGV, at[77] = 1);
	CHECK_EQUAL(code, SEGV_ACCERR);
	CHECK_EQUAL(address, at + 77);
	CHECK_EQUAL(error, 7);
	CHECK_EQUAL(at[77], 5);
	mprotect(at, PAGE, PROT_READ | PROT_WRITE);
	at[77] = 6;
	FAULTS(SIGSEGV, at[PAGE] = 1);
}

static void data_cannot_be_executed(void)
{
	unsigned char *at = anonymous(PAGE, PROT_READ | PROT_WRITE);

	at[8] = 0xc3;
	FAULTS(SIGSEGV, ((void (*)(void))(void *)(at + 8))());
	CHECK_EQUAL(code, SEGV_ACCERR);
	CHECK_EQUAL(address, at + 8);
	CHECK_EQUAL(ip, at + 8);
	CHECK_EQUAL(error, 0x15);
}

static void a_wild_jump_names_its_target(void)
{
	FAULTS(SIGSEGV, ((void (*)(void))0x123456789000)());
	CHECK_EQUAL(code, SEGV_MAPERR);
	CHECK_EQUAL(address, 0x123456789000);
	CHECK_EQUAL(ip, 0x123456789000);
	FAULTS(SIGSEGV, ((void (*)(void))0)());
	CHECK_EQUAL(ip, 0);
}

static void a_non_canonical_address_has_none(void)
{
	FAULTS(SIGSEGV, *(volatile char *)0x8000000000000000 = 1);
	CHECK_EQUAL(code, SI_KERNEL);
	CHECK_EQUAL(address, 0);
	CHECK_EQUAL(trap, 13);
}

static void privileged_instructions_are_segv(void)
{
	FAULTS(SIGSEGV, asm volatile("hlt"));
	CHECK_EQUAL(code, SI_KERNEL);
	FAULTS(SIGSEGV, asm volatile("cli"));
	FAULTS(SIGSEGV, asm volatile("in %%dx, %%al" :: "d"(0x80) : "rax"));
}

static void division_by_zero(void)
{
	extern char division_here[];
	FAULTS(SIGFPE, asm volatile("xor %%ecx, %%ecx\n"
				    ".globl division_here\ndivision_here: div %%ecx"
				    ::: "rax", "rcx", "rdx"));
	CHECK_EQUAL(code, FPE_INTDIV);
	CHECK_EQUAL(trap, 0);
	CHECK_EQUAL(ip, address);
	CHECK_EQUAL(address, division_here);
}

static void floating_point_exceptions(void)
{
	unsigned int all_unmasked = 0x1f80 & ~(1u << 9);

	FAULTS(SIGFPE, asm volatile("ldmxcsr %0\n"
				    "mov $0x3f800000, %%eax\n movd %%eax, %%xmm0\n"
				    "pxor %%xmm1, %%xmm1\n divss %%xmm1, %%xmm0"
				    :: "m"(all_unmasked) : "rax", "xmm0", "xmm1"));
	CHECK_EQUAL(code, FPE_FLTDIV);
	CHECK_EQUAL(trap, 19);
}

static void illegal_instruction(void)
{
	FAULTS(SIGILL, asm volatile("ud2"));
	CHECK_EQUAL(code, ILL_ILLOPN);
	CHECK_EQUAL(address, ip);
	CHECK_EQUAL(((unsigned char *)ip)[0], 0x0f);
	CHECK_EQUAL(trap, 6);
}

static void breakpoint(void)
{
	FAULTS(SIGTRAP, asm volatile("int3"));
	CHECK_EQUAL(code, SI_KERNEL);
	CHECK_EQUAL(((unsigned char *)ip)[-1], 0xcc);
	CHECK_EQUAL(trap, 3);
}

static volatile int steps;

static void step(int sig, siginfo_t *info, void *context)
{
	ucontext_t *c = context;

	(void)sig;
	code = info->si_code;
	if (++steps == 5)
		c->uc_mcontext.gregs[REG_EFL] &= ~0x100L;
}

static void single_steps(void)
{
	on(SIGTRAP, step, 0);
	asm volatile("pushfq; orq $0x100, (%%rsp); popfq\n"
		     "nop; nop; nop; nop; nop; nop; nop; nop" ::: "memory", "cc");
	CHECK_EQUAL(steps, 5);
	CHECK_EQUAL(code, TRAP_TRACE);
}

static void beyond_the_end_of_a_file_is_sigbus(void)
{
	int fd = memfd_create("short", 0);
	char *at;

	CHECK(!ftruncate(fd, 100));
	at = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	at[50] = 1;
	at[200] = 1;	/* beyond the end, but in its page */
	FAULTS(SIGBUS, at[PAGE + 5] = 1);
	CHECK_EQUAL(code, BUS_ADRERR);
	CHECK_EQUAL(address, at + PAGE + 5);
	CHECK(!ftruncate(fd, 0));
	FAULTS(SIGBUS, (void)*(volatile char *)(at + 50));
	CHECK_EQUAL(address, at + 50);
}

static int recursion(volatile char *above)
{
	volatile char here[512];

	here[0] = above[0];
	return recursion(here) + here[0];
}

static void the_stacks_overflow_is_caught_on_another_stack(void)
{
	struct rlimit limit = { 256 << 10, 256 << 10 };
	char *other = anonymous(16 * PAGE, PROT_READ | PROT_WRITE), here = 0;
	stack_t stack = { .ss_sp = other, .ss_size = 16 * PAGE };

	CHECK(!setrlimit(RLIMIT_STACK, &limit));
	CHECK(!sigaltstack(&stack, NULL));
	on(SIGSEGV, note, SA_ONSTACK);
	if (!sigsetjmp(back, 1))
		recursion(&here);
	CHECK((unsigned long)address < (unsigned long)&here);
	CHECK((unsigned long)address > (unsigned long)&here - (1 << 20));
}

static void die_of_null(void) { *(volatile char *)0 = 1; }
static void die_of_ud2(void) { asm volatile("ud2"); }
static void die_of_division(void) { asm volatile("xor %%ecx, %%ecx; div %%ecx" ::: "rax", "rcx", "rdx"); }
static void die_of_abort(void) { abort(); }
static void die_of_a_bad_stack(void) { asm volatile("mov $0x1000, %rsp; push %rax"); }

static void die_of_a_signal_without_a_stack(void)
{
	on(SIGUSR1, note, 0);
	asm volatile("mov $0x1000, %%rsp; mov %0, %%edi; mov $10, %%esi; mov $62, %%eax; syscall"
		     :: "r"(getpid()));
}

static void uncaught_faults_kill(void)
{
	CHECK_EQUAL(run_forked(die_of_null), 128 + SIGSEGV);
	CHECK_EQUAL(run_forked(die_of_ud2), 128 + SIGILL);
	CHECK_EQUAL(run_forked(die_of_division), 128 + SIGFPE);
	CHECK_EQUAL(run_forked(die_of_abort), 128 + SIGABRT);
	CHECK_EQUAL(run_forked(die_of_a_bad_stack), 128 + SIGSEGV);
	CHECK_EQUAL(run_forked(die_of_a_signal_without_a_stack), 128 + SIGSEGV);
}

static void a_blocked_fault_kills(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGSEGV);
	on(SIGSEGV, note, 0);
	if (!fork()) {
		sigprocmask(SIG_BLOCK, &set, NULL);
		*(volatile char *)0 = 1;
	}
	CHECK_EQUAL(status_of(-1), 128 + SIGSEGV);
}

static void a_thousand_faults_are_jumped_out_of(void)
{
	char *at = anonymous(PAGE, PROT_NONE);

	on(SIGSEGV, note, 0);
	for (volatile int i = 0; i < 1000; i++) {
		if (!sigsetjmp(back, 1)) {
			at[i] = 1;
			CHECK(!"no fault");
		}
		CHECK_EQUAL(address, at + i);
	}
}

static char *lazy;

static void make_writable(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	CHECK(!mprotect((void *)((unsigned long)info->si_addr & -PAGE), PAGE, PROT_READ | PROT_WRITE));
}

/* A garbage collector's write barrier: the handler mends, the store is repeated. */
static void a_handler_can_mend_the_fault(void)
{
	lazy = anonymous(256 * PAGE, PROT_NONE);
	on(SIGSEGV, make_writable, 0);
	for (unsigned long i = 0; i < 256; i++)
		lazy[i * PAGE + i] = (char)i;
	for (unsigned long i = 0; i < 256; i++)
		CHECK_EQUAL(lazy[i * PAGE + i], (char)i);
	mprotect(lazy, 256 * PAGE, PROT_READ);
	for (unsigned long i = 0; i < 256; i += 3)
		lazy[i * PAGE + i]++;
	for (unsigned long i = 0; i < 256; i++)
		CHECK_EQUAL(lazy[i * PAGE + i], (char)(i + !(i % 3)));
}

/* 32-bit calls are none of ours: no program may reach the host by them. */
static void int80_reaches_nobody(void)
{
	long ret = 20;	/* i386's getpid; x86-64's writev */
	int pid = getpid();

	on(SIGSEGV, note, 0);
	if (!sigsetjmp(back, 1)) {
		asm volatile("int $0x80" : "+a"(ret) :: "memory", "r8", "r9", "r10", "r11");
		CHECK(ret == -ENOSYS || ret == pid);
	}
}

static void x32_calls_are_unknown(void)
{
	CHECK_EQUAL(syscall(0x40000000 + SYS_getpid), -1);
	CHECK_EQUAL(errno, ENOSYS);
	CHECK_EQUAL(syscall(-1L), -1);
	CHECK_EQUAL(errno, ENOSYS);
	CHECK_EQUAL(syscall(100000), -1);
	CHECK_EQUAL(errno, ENOSYS);
}

CASES(CASE(null_is_unmapped), CASE(a_guard_page_names_the_address),
      CASE(an_unmapped_page_is_maperr), CASE(a_read_only_page_refuses_writes),
      CASE(data_cannot_be_executed), CASE(a_wild_jump_names_its_target),
      CASE(a_non_canonical_address_has_none), CASE(privileged_instructions_are_segv),
      CASE(division_by_zero), CASE(floating_point_exceptions), CASE(illegal_instruction),
      CASE(breakpoint), CASE(single_steps), CASE(beyond_the_end_of_a_file_is_sigbus),
      CASE(the_stacks_overflow_is_caught_on_another_stack), CASE(uncaught_faults_kill),
      CASE(a_blocked_fault_kills), CASE(a_thousand_faults_are_jumped_out_of),
      CASE(a_handler_can_mend_the_fault), CASE(int80_reaches_nobody),
      CASE(x32_calls_are_unknown))
