// SPDX-License-Identifier: Apache-2.0
/* SIMD and FPU registers survive signals, preemption, system calls and faults. */
#include "check.h"
#include <cpuid.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/time.h>

static volatile int ticks;
static char scribble[64] __attribute__((aligned(64))) = "something else entirely in every register of this handler......";

static int has_avx512(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
}

static void scribbling(int sig, siginfo_t *info, void *context)
{
	unsigned int mxcsr = 0x1fa0, clean;

	(void)sig;
	(void)info;
	(void)context;
	asm volatile("stmxcsr %0" : "=m"(clean));
	if (clean != 0x1f80)
		_exit(77);
	asm volatile("movdqu %0, %%xmm0\n movdqu %0, %%xmm7\n movdqu %0, %%xmm15\n ldmxcsr %1\n fld1"
		     :: "m"(scribble), "m"(mxcsr) : "xmm0", "xmm7", "xmm15");
	if (__builtin_cpu_supports("avx"))
		asm volatile("vmovdqu %0, %%ymm0\n vmovdqu %0, %%ymm15" :: "m"(scribble) : "xmm0", "xmm15");
	if (has_avx512())
		asm volatile("vmovdqu64 %0, %%zmm0\n vmovdqu64 %0, %%zmm31\n kmovq %%rsp, %%k3"
			     :: "m"(scribble) : "xmm0");
	ticks++;
}

struct state {
	unsigned char xmm[16][16], ymm[16][32], zmm[32][64];
	unsigned long k[8];
	unsigned int mxcsr;
	unsigned short cw;
	double st0;
};

#define EACH16(x) x(0) x(1) x(2) x(3) x(4) x(5) x(6) x(7) x(8) x(9) x(10) x(11) x(12) x(13) x(14) x(15)
#define EACH_HIGH(x) x(16) x(17) x(18) x(19) x(20) x(21) x(22) x(23) x(24) x(25) x(26) x(27) x(28) x(29) x(30) x(31)
#define LOAD_Z(n) "vmovdqu64 " #n "*64(%[z]), %%zmm" #n "\n"
#define STORE_Z(n) "vmovdqu64 %%zmm" #n ", " #n "*64(%[z])\n"
#define LOAD_Y(n) "vmovdqu " #n "*32(%[y]), %%ymm" #n "\n"
#define STORE_Y(n) "vmovdqu %%ymm" #n ", " #n "*32(%[y])\n"
#define EACH_K(x) x(1) x(2) x(3) x(4) x(5) x(6) x(7)
#define LOAD_K(n) "kmovq " #n "*8(%[k]), %%k" #n "\n"
#define STORE_K(n) "kmovq %%k" #n ", " #n "*8(%[k])\n"
#define CLOBBERS "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc", \
	"xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", \
	"xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

/* What happens between the load and the store: a count down, or a call made n times. */
#define SPIN "1: dec %[n]\n jnz 1b\n"
#define GETPPID "1: mov $110, %%eax\n syscall\n dec %[n]\n jnz 1b\n"
#define YIELD "1: mov $24, %%eax\n syscall\n dec %[n]\n jnz 1b\n"
#define TOUCH "1: movb $1, (%[area])\n add $4096, %[area]\n dec %[n]\n jnz 1b\n"
#define READ "1: xor %%eax, %%eax\n mov %[fd], %%edi\n mov %[area], %%rsi\n mov $65536, %%edx\n syscall\n dec %[n]\n jnz 1b\n"
#define UNKNOWN "1: mov $5555, %%eax\n syscall\n dec %[n]\n jnz 1b\n"

#define KEEPS(name, body)                                                                  \
	static void name##512(struct state *s, long n, char *area, int fd)                 \
	{                                                                                  \
		asm volatile(EACH16(LOAD_Z) EACH_HIGH(LOAD_Z) EACH_K(LOAD_K) body          \
			     EACH16(STORE_Z) EACH_HIGH(STORE_Z) EACH_K(STORE_K)            \
			     : [n] "+r"(n), [area] "+r"(area)                              \
			     : [z] "r"(s->zmm), [k] "r"(s->k), [fd] "m"(fd) : CLOBBERS);    \
	}                                                                                  \
	static void name##256(struct state *s, long n, char *area, int fd)                 \
	{                                                                                  \
		asm volatile(EACH16(LOAD_Y) body EACH16(STORE_Y)                           \
			     : [n] "+r"(n), [area] "+r"(area)                              \
			     : [y] "r"(s->ymm), [fd] "m"(fd) : CLOBBERS);                  \
	}                                                                                  \
	static void name(struct state *s, long n, char *area, int fd)                      \
	{                                                                                  \
		(has_avx512() ? name##512 : name##256)(s, n, area, fd);                    \
	}

KEEPS(spin, SPIN)
KEEPS(call, GETPPID)
KEEPS(yield, YIELD)
KEEPS(touch, TOUCH)
KEEPS(reading, READ)
KEEPS(unknown, UNKNOWN)

static void fill(struct state *s, unsigned int seed)
{
	unsigned char *bytes = (unsigned char *)s;

	for (size_t i = 0; i < sizeof(*s); i++) {
		seed = seed * 1103515245 + 12345;
		bytes[i] = (unsigned char)(seed >> 16);
	}
}

typedef void (*body_t)(struct state *, long, char *, int);

/* Run @body until @end with random registers; they must be the same afterwards. */
static void keep(body_t body, long n, uint64_t for_ns, unsigned int seed)
{
	size_t area_bytes = 1 << 20;
	uint64_t end = now_ns() + for_ns;
	char *area;
	int fd = open("/dev/zero", O_RDONLY);

	while (now_ns() < end) {
		struct state s, wanted;

		area = anonymous(area_bytes, PROT_READ | PROT_WRITE);
		fill(&s, seed++);
		wanted = s;
		body(&s, n, area, fd);
		CHECK(!memcmp(&s, &wanted, sizeof(s)));
		munmap(area, area_bytes);
	}
	close(fd);
}

static void tick(long us)
{
	struct itimerval interval = { { 0, us }, { 0, us } };

	on(SIGALRM, scribbling, SA_RESTART);
	setitimer(ITIMER_REAL, &interval, NULL);
}

static void under_signals(void)
{
	tick(1000);
	keep(spin, 20000000, 200000000, 1);
	CHECK(ticks > 5);
}

static void across_system_calls(void)
{
	keep(call, 1000, 20000000, 2);
	keep(yield, 1000, 20000000, 3);
	keep(unknown, 100, 20000000, 4);
}

static void across_page_faults(void) { keep(touch, 256, 50000000, 5); }
static void across_io(void) { keep(reading, 3, 50000000, 6); }

static void across_file_io(void)
{
	char *area = anonymous(1 << 20, PROT_READ | PROT_WRITE);
	int fd = open("/proc/self/exe", O_RDONLY);
	struct state s, wanted;

	for (unsigned int i = 0; i < 50; i++) {
		fill(&s, i);
		wanted = s;
		lseek(fd, 0, SEEK_SET);
		reading(&s, 4, area, fd);
		CHECK(!memcmp(&s, &wanted, sizeof(s)));
	}
}

static void all_at_once_under_signals(void)
{
	tick(700);
	for (int i = 0; i < 4; i++) {
		keep(call, 1000, 20000000, 7);
		keep(touch, 256, 20000000, 8);
		keep(reading, 3, 20000000, 9);
		keep(yield, 100, 20000000, 10);
	}
}

static void *busy(void *seed)
{
	unsigned int n = (unsigned int)(uintptr_t)seed;

	keep(spin, 3000000, 100000000, n * 1000);
	keep(yield, 100, 50000000, n * 2000);
	keep(touch, 200, 50000000, n * 3000);
	return NULL;
}

static void between_preempted_threads(void)
{
	pthread_t threads[6];

	for (uintptr_t i = 0; i < 6; i++)
		CHECK(!pthread_create(&threads[i], NULL, busy, (void *)(i + 1)));
	for (int i = 0; i < 6; i++)
		CHECK(!pthread_join(threads[i], NULL));
}

static void between_preempted_processes(void)
{
	for (uintptr_t i = 0; i < 4; i++) {
		if (!fork()) {
			tick(1500);
			busy((void *)(i + 1));
			_exit(0);
		}
	}
	for (int i = 0; i < 4; i++)
		CHECK_EQUAL(status_of(-1), 0);
}

static void a_child_inherits_them(void)
{
	unsigned long value = 0x1234567812345678, after = 0;
	unsigned int mxcsr = 0x1f80 | 0x6000, now;
	long pid;

	asm volatile("ldmxcsr %3\n movq %2, %%xmm5\n mov $57, %%eax\n syscall\n movq %%xmm5, %1"
		     : "=&a"(pid), "=&r"(after) : "r"(value), "m"(mxcsr) : "rcx", "r11", "xmm5", "memory");
	asm volatile("stmxcsr %0" : "=m"(now));
	CHECK_EQUAL(after, value);
	CHECK_EQUAL(now & 0xffc0, mxcsr);
	if (!pid)
		_exit(0);
	CHECK_EQUAL(status_of((pid_t)pid), 0);
}

static void control_words_survive_signals(void)
{
	unsigned int mxcsr = 0x1f80 | 0x2000, now;
	unsigned short cw = 0x27f, cw_now;
	uint64_t end = now_ns() + 50000000;
	double kept;

	tick(1000);
	asm volatile("ldmxcsr %0\n fldcw %1\n fldpi" :: "m"(mxcsr), "m"(cw));
	while (now_ns() < end)
		;
	asm volatile("fstpl %2\n stmxcsr %0\n fnstcw %1" : "=m"(now), "=m"(cw_now), "=m"(kept));
	CHECK_EQUAL(now & 0xffc0, mxcsr);
	CHECK_EQUAL(cw_now, cw);
	CHECK(kept > 3.14 && kept < 3.15);
	CHECK(ticks > 2);
}

CASES(CASE(under_signals), CASE(across_system_calls), CASE(across_page_faults), CASE(across_io),
      CASE(across_file_io), CASE(all_at_once_under_signals), CASE(between_preempted_threads),
      CASE(between_preempted_processes), CASE(a_child_inherits_them),
      CASE(control_words_survive_signals))
