/* SPDX-License-Identifier: Apache-2.0 */
/* The library at large: stdio, dlopen, registers, and the entry's own safety. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "suite.h"

void test_stdio(void)
{
	enum { LINES = 1000000 };
	FILE *stream = tmpfile();
	unsigned long sum = 0, number;

	CHECK(stream);
	for (unsigned long i = 0; i < LINES; i++)
		CHECK(fprintf(stream, "%lu\n", i) > 0);
	rewind(stream);
	for (unsigned long i = 0; i < LINES; i++) {
		CHECK(fscanf(stream, "%lu", &number) == 1);
		sum += number;
	}
	CHECK(sum == (unsigned long)LINES * (LINES - 1) / 2);
	CHECK(!fclose(stream));

	/* Unbuffered: one system call each. */
	stream = fopen("/dev/null", "w");
	CHECK(stream && !setvbuf(stream, NULL, _IONBF, 0));
	for (int i = 0; i < 2000; i++)
		CHECK(fputc('x', stream) == 'x');
	CHECK(!fclose(stream));
}

#ifdef DYNAMIC
void test_dlopen(void)
{
	void *module = dlopen(getenv("SUITE_MODULE"), RTLD_NOW);
	int (*next)(void);

	if (!module)
		fprintf(stderr, "%s\n", dlerror());
	CHECK(module);
	next = (int (*)(void))dlsym(module, "module_next");
	CHECK(next && next() == 101 && next() == 102);
	CHECK(!dlsym(module, "no_such_symbol") && dlerror());
	CHECK(!dlclose(module));
	CHECK(!dlopen("/no/such/module.so", RTLD_NOW));
}
#else
/* A static program can load nothing, and is told so. */
void test_dlopen(void)
{
	CHECK(!dlopen("libc.so", RTLD_NOW) && dlerror());
}
#endif

/* What the compiler may keep in registers across a system call stays there. */
void test_registers(void)
{
	uint64_t in[2] = { 0x0123456789abcdef, 0xfedcba9876543210 }, out[2] = { 0 };
	register uint64_t mark __asm__("rbx") = in[0];

	for (int i = 0; i < 1000; i++) {
		__asm__ volatile("movdqu %0, %%xmm9" : : "m"(in) : "xmm9");
		CHECK(syscall(SYS_getpid) == getpid());
		__asm__ volatile("movdqu %%xmm9, %0" : "=m"(out) : : "memory");
		CHECK(!memcmp(in, out, sizeof(in)));
		__asm__ volatile("" : "+r"(mark));
		CHECK(mark == in[0]);
	}
}

static sigjmp_buf back;

static void on_fault(int sig)
{
	siglongjmp(back, sig);
}

/* Where an attacker who can write memory would love to point elsewhere. */
static void *entry_pointer(void)
{
#ifdef DYNAMIC
	Dl_info info;

	CHECK(dladdr((void *)getpid, &info));
	return (char *)info.dli_fbase + strtoul(getenv("SUITE_ENTRY_OFFSET"), NULL, 16);
#else
	extern __attribute__((visibility("hidden"))) char __libos_syscall[];

	return __libos_syscall;
#endif
}

void test_entry_read_only(void)
{
	uintptr_t *pointer = entry_pointer(), old = *pointer;

	CHECK(signal(SIGSEGV, on_fault) != SIG_ERR);
	if (!sigsetjmp(back, 1)) {
		*(volatile uintptr_t *)pointer = old;
		CHECK(!"the pointer to the kernel's entry is writable");
	}
	signal(SIGSEGV, SIG_DFL);
}
