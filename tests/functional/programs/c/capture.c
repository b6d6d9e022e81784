// SPDX-License-Identifier: Apache-2.0
/* Every way to make a system call is captured, and rewriting changes nothing else. */
#include "check.h"
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/time.h>

#define OFTEN 200	/* calls of a site: it is rewritten long before */

static pid_t me;

/* Locals in the red zone, right across an inline call. */
static __attribute__((noinline)) long leaf(long a, long b)
{
	long ret;

	asm volatile("mov %1, -8(%%rsp)\n mov %2, -16(%%rsp)\n mov %1, -120(%%rsp)\n mov %2, -128(%%rsp)\n"
		     "mov $39, %%eax\n syscall\n"
		     "cmp -8(%%rsp), %1\n jne 1f\n cmp -16(%%rsp), %2\n jne 1f\n"
		     "cmp -120(%%rsp), %1\n jne 1f\n cmp -128(%%rsp), %2\n jne 1f\n jmp 2f\n"
		     "1: mov $-1, %%rax\n 2:"
		     : "=&a"(ret) : "r"(a), "r"(b) : "rcx", "r11", "memory", "cc");
	return ret;
}

static void the_red_zone_is_spared(void)
{
	me = getpid();
	for (long i = 0; i < OFTEN; i++)
		CHECK_EQUAL(leaf(i, ~i), me);
}

/* All registers but rax, rcx, r11, on a site that is soon rewritten. */
static void registers_are_kept(void)
{
	for (long i = 0; i < OFTEN; i++) {
		register long r8 asm("r8") = i + 8, r9 asm("r9") = i + 9, r10 asm("r10") = i + 10;
		register long r12 asm("r12") = i + 12, r13 asm("r13") = i + 13, r14 asm("r14") = i + 14;
		register long r15 asm("r15") = i + 15;
		long di = i + 1, si = i + 2, dx = i + 3, bx = i + 4, ret, cx;
		int kept;

		asm volatile("mov $110, %%eax\n syscall"
			     : "=&a"(ret), "=&c"(cx), "+D"(di), "+S"(si), "+d"(dx), "+b"(bx), "+r"(r8),
			       "+r"(r9), "+r"(r10), "+r"(r12), "+r"(r13), "+r"(r14), "+r"(r15)
			     :: "r11", "memory");
		/* No call before all are looked at: it may use them. */
		kept = di == i + 1 && si == i + 2 && dx == i + 3 && bx == i + 4 &&
		       r8 == i + 8 && r9 == i + 9 && r10 == i + 10 && r12 == i + 12 &&
		       r13 == i + 13 && r14 == i + 14 && r15 == i + 15;
		CHECK(kept);
		CHECK_EQUAL(ret, getppid());
	}
}

/* rcx is where the call goes on, as the instruction leaves it. */
static void rcx_is_the_next_address(void)
{
	for (int i = 0; i < OFTEN; i++) {
		long cx, next;

		asm volatile("mov $39, %%eax\n syscall\n 1: lea 1b(%%rip), %1"
			     : "=c"(cx), "=&r"(next) :: "rax", "r11", "memory");
		CHECK_EQUAL(cx, next);
	}
}

/* xor %eax,%eax; syscall: two bytes before it, the jump needs five. */
static void a_read_by_xor(void)
{
	int fd = open("/dev/zero", O_RDONLY);

	for (int i = 0; i < OFTEN; i++) {
		long ret;
		char c = 1;

		asm volatile("xor %%eax, %%eax\n syscall" : "=&a"(ret) : "D"((long)fd), "S"(&c), "d"(1L)
			     : "rcx", "r11", "memory");
		CHECK(ret == 1 && !c);
	}
	close(fd);
}

/* Sometimes the number's mov is jumped over: the syscall instruction must still be there. */
static void jumping_into_a_rewritten_site(void)
{
	me = getpid();
	for (int i = 0; i < OFTEN; i++) {
		long over = i & 1, nr = i & 2 ? 110 : 39, ret;

		asm volatile("mov %2, %%rax\n test %1, %1\n jnz 1f\n"
			     "mov $39, %%eax\n 1: syscall"
			     : "=&a"(ret) : "r"(over), "r"(nr) : "rcx", "r11", "memory", "cc");
		CHECK_EQUAL(ret, over && nr == 110 ? getppid() : me);
	}
}

/* Bytes that look like `mov $39,%eax` but are the end of a longer instruction. */
static void a_lookalike_is_left_alone(void)
{
	long frame[32];

	me = getpid();
	for (int i = 0; i < OFTEN; i++) {
		long ret;

		memset(frame, 0x55, sizeof(frame));
		/* movl $39, -0x48(%rsp) = c7 44 24 b8 27 00 00 00, on a stack of our own */
		asm volatile("mov $39, %%eax\n mov %%rsp, %%rbx\n lea 128(%1), %%rsp\n"
			     ".byte 0xc7, 0x44, 0x24, 0xb8, 0x27, 0, 0, 0\n syscall\n mov %%rbx, %%rsp"
			     : "=&a"(ret) : "r"(frame) : "rbx", "rcx", "rdx", "r11", "memory");
		CHECK_EQUAL(ret, me);
		CHECK_EQUAL(*(int *)((char *)frame + 128 - 0x48), 39);
		for (int j = 0; j < 32; j++)
			if (j != 7)
				CHECK_EQUAL(frame[j], 0x5555555555555555);
	}
}

/* The same for `xor %eax,%eax`: the end of a constant. */
static void a_lookalike_of_xor_is_left_alone(void)
{
	int fd = open("/dev/zero", O_RDONLY);
	char byte;

	for (int i = 0; i < OFTEN; i++) {
		long ret, r8;

		/* mov $0xc0310001, %r8d = 41 b8 01 00 31 c0 */
		asm volatile("xor %%eax, %%eax\n .byte 0x41, 0xb8, 0x01, 0x00, 0x31, 0xc0\n syscall\n mov %%r8, %1"
			     : "=&a"(ret), "=&r"(r8) : "D"((long)fd), "S"(&byte), "d"(1L)
			     : "rcx", "r8", "r11", "memory");
		CHECK_EQUAL(ret, 1);
		CHECK_EQUAL(r8, 0xc0310001);
	}
	close(fd);
}

/* What stands between the number and the syscall goes along: glibc's cancellable calls in threads. */
static void arguments_set_behind_the_number(void)
{
	int fd = open("/dev/zero", O_RDONLY);

	for (int i = 0; i < OFTEN; i++) {
		char bytes[3] = { 1, 1, 1 };
		long frame[2] = { fd, (long)bytes }, ret;

		asm volatile("mov %%rsp, %%rbx\n mov %1, %%rsp\n mov $2, %%r8d\n xor %%eax, %%eax\n"
			     "mov 0x8(%%rsp), %%rsi\n mov (%%rsp), %%edi\n mov %%r8d, %%edx\n syscall\n mov %%rbx, %%rsp"
			     : "=&a"(ret) : "r"(frame) : "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r11", "memory");
		CHECK_EQUAL(ret, 2);
		CHECK(!bytes[0] && !bytes[1] && bytes[2] == 1);
	}
	close(fd);
}

/* Two bytes or three before it, and what stands before those is a jump. */
static void short_instructions(void)
{
	me = getpid();
	for (int i = 0; i < OFTEN; i++) {
		register long nr asm("r12") = i & 1 ? 110 : 39;
		long three, two, b = nr;

		asm volatile("test %1, %1\n jz 1f\n mov %%r12d, %%eax\n 1: syscall"
			     : "=&a"(three) : "r"(nr) : "rcx", "r11", "memory", "cc");
		asm volatile("test %%ebx, %%ebx\n jz 1f\n mov %%ebx, %%eax\n 1: syscall"
			     : "=&a"(two) : "b"(b) : "rcx", "r11", "memory", "cc");
		CHECK_EQUAL(three, i & 1 ? getppid() : me);
		CHECK_EQUAL(two, three);
	}
}

/* Jumping behind the replaced instruction, to those that the stub does as well. */
static void jumping_behind_what_was_replaced(void)
{
	me = getpid();
	for (int i = 0; i < OFTEN; i++) {
		register long nr asm("r12") = i & 1 ? 110 : 39;
		long ret, cx, ok;

		asm volatile("mov %3, %%rax\n xor %%r8d, %%r8d\n test $1, %4\n jnz 1f\n"
			     "mov $39, %%eax\n 1: add $7, %%r8d\n 2: syscall\n lea (2b + 2)(%%rip), %2\n"
			     "cmp %2, %%rcx\n mov $0, %%ecx\n sete %%cl\n cmp $7, %%r8d\n sete %b2\n and %2, %%rcx"
			     : "=&a"(ret), "=&c"(ok), "=&r"(cx) : "r"(nr), "r"(i)
			     : "r8", "r11", "memory", "cc");
		CHECK_EQUAL(ret, i & 1 ? getppid() : me);
		CHECK_EQUAL(ok & 1, 1);
	}
}

/* An address relative to the instruction's own must not move. */
static void relative_addresses_stay(void)
{
	me = getpid();
	for (int i = 0; i < OFTEN; i++) {
		long ret, si, here;

		asm volatile("mov $39, %%eax\n 1: lea 1b(%%rip), %%rsi\n syscall\n lea 1b(%%rip), %2"
			     : "=&a"(ret), "=&S"(si), "=&r"(here) :: "rcx", "r11", "memory");
		CHECK_EQUAL(ret, me);
		CHECK_EQUAL(si, here);
	}
}

/* A loop that comes back to the syscall itself with the number in a register. */
static void a_site_reached_two_ways(void)
{
	long n = OFTEN, ret;

	asm volatile("mov $39, %%eax\n 1: syscall\n dec %1\n jz 2f\n mov $39, %%rax\n jmp 1b\n 2:"
		     : "=&a"(ret), "+r"(n) :: "rcx", "r11", "memory", "cc");
	CHECK_EQUAL(ret, getpid());
}

static const unsigned char code[] = {
	0xb8, 39, 0, 0, 0,	/* mov $getpid, %eax */
	0x0f, 0x05,		/* syscall */
	0xc3,			/* ret */
};
typedef long (*call_t)(void);

static void generated_code(void)
{
	unsigned char *at = anonymous(PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);

	me = getpid();
	for (unsigned long place = 0; place < PAGE; place += 256) {
		memcpy(at + place, code, sizeof(code));
		for (int i = 0; i < OFTEN; i++)
			CHECK_EQUAL(((call_t)(at + place))(), me);
	}
}

/* A JIT moves, patches and frees its code; it must find what it wrote. */
static void generated_code_is_moved(void)
{
	unsigned char *at = anonymous(PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
	unsigned char *to = anonymous(PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);

	me = getpid();
	memcpy(at, code, sizeof(code));
	for (int i = 0; i < OFTEN; i++)
		CHECK_EQUAL(((call_t)at)(), me);
	CHECK(!memcmp(at, code, sizeof(code)));
	memcpy(to + 999, at, sizeof(code));
	CHECK_EQUAL(((call_t)(to + 999))(), me);
}

static void generated_code_is_overwritten(void)
{
	unsigned char *at = anonymous(PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);

	me = getpid();
	memcpy(at, code, sizeof(code));
	for (int i = 0; i < OFTEN; i++) {
		at[1] = i & 1 ? 110 : 39;	/* the number only */
		CHECK_EQUAL(((call_t)at)(), i & 1 ? getppid() : me);
	}
}

static void written_then_executable(void)
{
	unsigned char *at = anonymous(PAGE, PROT_READ | PROT_WRITE);

	me = getpid();
	for (int round = 0; round < 10; round++) {
		CHECK(!mprotect(at, PAGE, PROT_READ | PROT_WRITE));
		memset(at, 0xcc, PAGE);
		memcpy(at + round * 16, code, sizeof(code));
		CHECK(!mprotect(at, PAGE, PROT_READ | PROT_EXEC));
		for (int i = 0; i < 20; i++)
			CHECK_EQUAL(((call_t)(at + round * 16))(), me);
	}
}

/* One file, mapped writable here and executable there. */
static void two_views_of_one_file(void)
{
	int fd = memfd_create("jit", 0);
	unsigned char *write_view, *run_view;

	CHECK(!ftruncate(fd, PAGE));
	write_view = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	run_view = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	CHECK(write_view != MAP_FAILED && run_view != MAP_FAILED);
	me = getpid();
	for (int i = 0; i < OFTEN; i++) {
		unsigned long place = (unsigned long)(i % 20) * 32;

		memcpy(write_view + place, code, sizeof(code));
		CHECK_EQUAL(((call_t)(run_view + place))(), me);
		CHECK(!memcmp(write_view + place, code, sizeof(code)));
		write_view[place + 1] = 110;
		CHECK_EQUAL(((call_t)(run_view + place))(), getppid());
	}
}

static void a_writable_shared_mapping_keeps_its_file(void)
{
	int fd = memfd_create("jit", 0);
	unsigned char *at, bytes[sizeof(code)];

	CHECK(!ftruncate(fd, PAGE));
	at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED, fd, 0);
	CHECK(at != MAP_FAILED);
	me = getpid();
	memcpy(at, code, sizeof(code));
	for (int i = 0; i < OFTEN; i++)
		CHECK_EQUAL(((call_t)at)(), me);
	CHECK_EQUAL(pread(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
	CHECK(!memcmp(bytes, code, sizeof(code)));
}

/* The instruction before and the syscall lie on two pages. */
static void a_site_across_two_pages(void)
{
	unsigned char *at = anonymous(3 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);

	me = getpid();
	for (unsigned long back = 1; back < sizeof(code); back++) {
		memcpy(at + PAGE - back, code, sizeof(code));
		for (int i = 0; i < 20; i++)
			CHECK_EQUAL(((call_t)(at + PAGE - back))(), me);
	}
}

/* Nothing before it and nothing behind it is mapped. */
static void a_site_at_the_edge_of_memory(void)
{
	unsigned char *at = anonymous(3 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
	static const unsigned char bare[] = { 0x0f, 0x05, 0xc3 };

	me = getpid();
	munmap(at, PAGE);
	munmap(at + 2 * PAGE, PAGE);
	memcpy(at + PAGE, bare, sizeof(bare));
	memcpy(at + 2 * PAGE - sizeof(code), code, sizeof(code));
	for (int i = 0; i < OFTEN; i++) {
		long ret;

		asm volatile("mov $39, %%eax\n call *%1" : "=&a"(ret) : "r"(at + PAGE)
			     : "rcx", "r11", "memory");
		CHECK_EQUAL(ret, me);
		CHECK_EQUAL(((call_t)(at + 2 * PAGE - sizeof(code)))(), me);
	}
}

static void rewritten_text_is_private_to_the_process(void)
{
	unsigned char before[64], after[64];
	int fd = open("/proc/self/exe", O_RDONLY);
	pid_t pid;

	CHECK(pread(fd, before, sizeof(before), 0x1000) == sizeof(before));
	pid = fork();
	if (!pid) {
		the_red_zone_is_spared();
		registers_are_kept();
		_exit(0);
	}
	CHECK_EQUAL(status_of(pid), 0);
	the_red_zone_is_spared();
	CHECK(pread(fd, after, sizeof(after), 0x1000) == sizeof(after));
	CHECK(!memcmp(before, after, sizeof(before)));
}

static void *many_calls(void *wrong)
{
	for (int i = 0; i < 2000; i++) {
		if (leaf(i, -i) != me)
			__atomic_fetch_add((long *)wrong, 1, __ATOMIC_RELAXED);
	}
	return wrong;
}

static volatile int ticks;

static void tick(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	if (leaf(1, 2) == me)
		ticks++;
}

/* The first calls of a site by many threads, under signals that use it too. */
static void sites_are_rewritten_under_threads_and_signals(void)
{
	struct itimerval interval = { { 0, 500 }, { 0, 500 } };
	pthread_t threads[8];
	long wrong = 0;

	me = getpid();
	on(SIGALRM, tick, SA_RESTART);
	setitimer(ITIMER_REAL, &interval, NULL);
	for (int i = 0; i < 8; i++)
		CHECK(!pthread_create(&threads[i], NULL, many_calls, &wrong));
	for (int i = 0; i < 8; i++)
		CHECK(!pthread_join(threads[i], NULL));
	CHECK_EQUAL(wrong, 0);
}

/* A thread that has no stack to speak of makes a call that never returns. */
static void a_call_with_a_wild_stack_pointer(void)
{
	me = getpid();
	for (int i = 0; i < OFTEN; i++) {
		long ret;

		asm volatile("mov %%rsp, %%rbx\n mov $8, %%esp\n mov $39, %%eax\n syscall\n mov %%rbx, %%rsp"
			     : "=&a"(ret) :: "rbx", "rcx", "r11", "memory");
		CHECK_EQUAL(ret, me);
	}
}

static void a_library_is_loaded_and_unloaded(void)
{
	for (int i = 0; i < 30; i++) {
		void *library = dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL);
		double (*cosine)(double);

		CHECK(library);
		*(void **)&cosine = dlsym(library, "cos");
		CHECK(cosine && cosine(0.0) == 1.0);
		CHECK(!dlclose(library));
	}
}

CASES(CASE(the_red_zone_is_spared), CASE(registers_are_kept), CASE(rcx_is_the_next_address),
      CASE(a_read_by_xor), CASE(jumping_into_a_rewritten_site), CASE(a_lookalike_is_left_alone),
      CASE(a_lookalike_of_xor_is_left_alone),
      CASE(arguments_set_behind_the_number), CASE(short_instructions),
      CASE(jumping_behind_what_was_replaced), CASE(relative_addresses_stay),
      CASE(a_site_reached_two_ways), CASE(generated_code),
      CASE(generated_code_is_moved), CASE(generated_code_is_overwritten),
      CASE(written_then_executable), CASE(two_views_of_one_file),
      CASE(a_writable_shared_mapping_keeps_its_file), CASE(a_site_across_two_pages),
      CASE(a_site_at_the_edge_of_memory), CASE(rewritten_text_is_private_to_the_process),
      CASE(sites_are_rewritten_under_threads_and_signals), CASE(a_call_with_a_wild_stack_pointer),
      CASE(a_library_is_loaded_and_unloaded))
