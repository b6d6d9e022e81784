/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The runtime of the baselines sync and switchless: a program of the host's
 * kernel, freestanding, that carries another program in its address space and
 * takes that one's system calls. Not part of the product: docs/baselines.md.
 *
 * Its code runs in the program's threads, on their stacks, with their TLS, so
 * no libc. Each thread's GS base points to its block in the shared state.
 */
#ifndef BASELINE_PROGRAM_H
#define BASELINE_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue.h"
#include "state.h"

/* The registers of a system call, as entry.S lays them out. */
struct frame {
	long nr;		/* rax */
	long arg[6];		/* rdi, rsi, rdx, r10, r8, r9 */
	long rbx, rbp, r12, r13, r14, r15;
	unsigned long rip;	/* after the system call instruction */
	unsigned long rsp;
	unsigned long trapped;	/* came by a signal, whose cost is to be allowed for */
};

/* entry.S */
long host_call(long nr, long a, long b, long c, long d, long e, long f);
long host_clone(long nr, long a, long b, long c, long d, long e);
struct pool;
long host_worker(unsigned long flags, unsigned long stack, struct pool *pool);
void signal_return(unsigned long rsp) __attribute__((noreturn));
void start_program(unsigned long rsp, unsigned long entry) __attribute__((noreturn));
void resume_trap(const struct frame *frame, long result, unsigned long flags, const void *fpregs)
	__attribute__((noreturn));
void trap_handler(void);
void trap_restorer(void);
long trapped_getppid(void);	/* outside of what Syscall User Dispatch exempts */
extern char program_text[], program_text_end[], program_entry[];

#define call0(nr) host_call(nr, 0, 0, 0, 0, 0, 0)
#define call1(nr, a) host_call(nr, (long)(a), 0, 0, 0, 0, 0)
#define call2(nr, a, b) host_call(nr, (long)(a), (long)(b), 0, 0, 0, 0)
#define call3(nr, a, b, c) host_call(nr, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define call4(nr, a, b, c, d) host_call(nr, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define call6(nr, a, b, c, d, e, f) \
	host_call(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static inline bool failed(long ret)
{
	return (unsigned long)ret > -4096UL;
}

/* start.c: what this process knows; a child by fork gets a copy. */
extern struct state *state;
extern int state_fd;
extern char program_path[4096];
void fail(const char *what, const char *which, long error) __attribute__((noreturn));

/* thread.c */
static inline struct thread *this_thread(void)
{
	struct thread *self;

	asm volatile("mov %%gs:0, %0" : "=r" (self));
	return self;
}
struct thread *thread_take(void);
void thread_give(struct thread *thread);
void thread_start(struct thread *thread);
void catch_traps(void);
void measure_trap(void);
long thread_clone(struct frame *frame);
long thread_clone3(struct frame *frame);
long thread_fork(struct frame *frame);
long thread_exit(struct frame *frame);

/* crossing.c: leave the enclave, call the host, come back */
void spin(uint64_t cycles);
long cross(struct thread *self, const struct frame *frame);
long cross_with(struct thread *self, const struct frame *frame, const long arg[6]);

/* dispatch.c */
long dispatch(struct frame *frame);

/* sigmask.c: SIGSYS stays unblocked and ours */
long sigmask_action(struct thread *self, const struct frame *frame);
long sigmask_argument(struct thread *self, const struct frame *frame, unsigned int which);
long sigmask_pselect(struct thread *self, const struct frame *frame);

/* exec.c */
long exec_program(struct frame *frame, bool at);

/* elf.c: map a program and its loader; the address to start at */
struct elf_image {
	unsigned long base, entry, headers, header_count;
};
long elf_load(const char *path, struct elf_image *program, struct elf_image *loader);

/* rewrite.c */
void rewrite_text(unsigned long start, unsigned long bytes);
void rewrite_mapping(unsigned long start, unsigned long bytes, int fd, unsigned long offset);

/* handover.c: switchless */
long handover(struct thread *self, const struct frame *frame);
unsigned long handover_handler(struct thread *self, int sig, unsigned long handler,
			       unsigned long flags, unsigned long *ret_before);
void handover_forget(void);
void handover_stop(void);

/* report.c */
void report(void);

/* memory.c */
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
char *number(char *to, uint64_t n);
char *text(char *to, const char *from);
long parse_number(const char *text);

#endif /* BASELINE_PROGRAM_H */
