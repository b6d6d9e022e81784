// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads and processes: each needs a block of the shared state, a GS base and
 * Syscall User Dispatch of its own, which no clone inherits.
 */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "program.h"

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif
enum { SIGNAL_SYS = 31, SIGNAL_CHILD = 17, CODE_USER_DISPATCH = 2, MEASURES = 64 };

static uint32_t threads = 1;	/* of the program, in this process */

struct thread *thread_take(void)
{
	uint32_t start = call0(SYS_gettid), i;

	for (i = 0; i < STATE_THREADS; i++) {
		struct thread *thread = &state->thread[(start + i) % STATE_THREADS];

		if (__atomic_exchange_n(&thread->taken, 1, __ATOMIC_ACQUIRE))
			continue;
		thread->self = thread;
		thread->shares_memory_only = 0;
		thread->request.state = REQUEST_FREE;
		return thread;
	}
	fail("too many threads", "", 0);
}

void thread_give(struct thread *thread)
{
	__atomic_store_n(&thread->taken, 0, __ATOMIC_RELEASE);
}

void thread_start(struct thread *thread)
{
	call2(SYS_arch_prctl, ARCH_SET_GS, thread);
}

void catch_traps(void)
{
	long err = host_call(SYS_prctl, PR_SET_SYSCALL_USER_DISPATCH, 1, (long)program_text,
			     program_text_end - program_text, 0, 0);

	if (err)
		fail("the host kernel has no Syscall User Dispatch; Linux 5.11 or later is needed", "", 0);
}

/* From entry.S, in the signal: the call that was trapped, or a worker's wake-up. */
void trap(int sig, siginfo_t *info, ucontext_t *context)
{
	const greg_t *g = context->uc_mcontext.gregs;
	struct frame frame = {
		.nr = g[REG_RAX],
		.arg = { g[REG_RDI], g[REG_RSI], g[REG_RDX], g[REG_R10], g[REG_R8], g[REG_R9] },
		.rbx = g[REG_RBX], .rbp = g[REG_RBP], .r12 = g[REG_R12], .r13 = g[REG_R13],
		.r14 = g[REG_R14], .r15 = g[REG_R15], .rip = g[REG_RIP], .rsp = g[REG_RSP],
		.trapped = 1,
	};
	long result = frame.nr;

	(void)sig;
	if (info->si_code == CODE_USER_DISPATCH) {
		frame.nr = info->si_syscall;
		result = dispatch(&frame);
	}
	resume_trap(&frame, result, g[REG_EFL], context->uc_mcontext.fpregs);
}

static uint64_t timed(long (*call)(void))
{
	uint64_t start, end;

	start = __builtin_ia32_rdtsc();
	call();
	end = __builtin_ia32_rdtsc();
	return end - start;
}

static long plain_getppid(void)
{
	return call0(SYS_getppid);
}

/* What a trap costs beyond the call itself: the least of many, so that not too much is taken off. */
void measure_trap(void)
{
	uint64_t cycles = state->cycles, least = -1UL, plain = -1UL, took;

	state->cycles = 0;
	for (int i = 0; i < MEASURES; i++) {
		took = timed(trapped_getppid);
		least = took < least ? took : least;
		took = timed(plain_getppid);
		plain = took < plain ? took : plain;
	}
	state->trap_cycles = least > plain ? least - plain : 1;
	state->cycles = cycles;
	this_thread()->calls = this_thread()->traps = this_thread()->crossings = 0;
}

/* ---- clone, fork ---- */

static void enter_child(void)
{
	struct thread *thread = thread_take();

	thread_start(thread);
	catch_traps();
}

/* On the new stack; @frame is its lowest part. A child of vfork's kind shares our memory. */
void thread_child(struct frame *frame)
{
	bool shares_memory_only = frame->trapped;

	enter_child();
	this_thread()->shares_memory_only = shares_memory_only;
	spin(state->cycles / 2);
}

static long enter_forked(long ret)
{
	if (ret)
		return ret;
	threads = 1;
	handover_forget();
	enter_child();
	return 0;
}

static struct frame *child_frame(const struct frame *frame, unsigned long stack, bool is_thread)
{
	struct frame *child = (struct frame *)((stack - 128 - sizeof(*child)) & ~15UL);

	*child = *frame;
	child->rsp = stack;
	child->trapped = !is_thread;
	return child;
}

static void account(struct thread *self)
{
	self->crossings++;
	spin(state->cycles / 2);
}

static void count_thread(bool is_thread, int change)
{
	if (is_thread)
		__atomic_fetch_add(&threads, change, __ATOMIC_RELAXED);
}

long thread_clone(struct frame *frame)
{
	unsigned long flags = frame->arg[0], stack = frame->arg[1];
	bool is_thread = flags & CLONE_THREAD;
	struct frame *child;
	long ret;

	account(this_thread());
	if (!stack)	/* vfork, too: a child that returned on our stack would destroy this frame */
		return enter_forked(host_call(SYS_clone, flags & ~CLONE_VM, 0, frame->arg[2],
					      frame->arg[3], frame->arg[4], 0));
	child = child_frame(frame, stack, is_thread || !(flags & CLONE_VM));
	count_thread(is_thread, 1);
	ret = host_clone(SYS_clone, flags, (long)child, frame->arg[2], frame->arg[3],
			 frame->arg[4]);
	if (failed(ret))
		count_thread(is_thread, -1);
	spin(state->cycles / 2);
	return ret;
}

long thread_clone3(struct frame *frame)
{
	struct clone_args args = { 0 };
	size_t size = frame->arg[1];
	struct frame *child;
	bool is_thread;
	long ret;

	if (size > sizeof(args) || size < CLONE_ARGS_SIZE_VER0)
		return cross(this_thread(), frame);
	memcpy(&args, (void *)frame->arg[0], size);
	account(this_thread());
	is_thread = args.flags & CLONE_THREAD;
	if (!args.stack) {
		args.flags &= ~(uint64_t)CLONE_VM;
		return enter_forked(call2(SYS_clone3, &args, size));
	}
	child = child_frame(frame, args.stack + args.stack_size,
			    is_thread || !(args.flags & CLONE_VM));
	args.stack_size = (unsigned long)child - args.stack;
	count_thread(is_thread, 1);
	ret = host_clone(SYS_clone3, (long)&args, size, 0, 0, 0);
	if (failed(ret))
		count_thread(is_thread, -1);
	spin(state->cycles / 2);
	return ret;
}

long thread_fork(struct frame *frame)
{
	unsigned long flags = SIGNAL_CHILD | (frame->nr == SYS_vfork ? CLONE_VFORK : 0);

	account(this_thread());
	return enter_forked(call2(SYS_clone, flags, 0));
}

/* Workers would keep a process alive whose last thread of its own has ended. */
long thread_exit(struct frame *frame)
{
	struct thread *self = this_thread();
	bool last = !self->shares_memory_only &&
		    __atomic_sub_fetch(&threads, 1, __ATOMIC_ACQ_REL) == 0;

	account(self);
	thread_give(self);
	for (;;)
		call1(last ? SYS_exit_group : SYS_exit, frame->arg[0]);
}
