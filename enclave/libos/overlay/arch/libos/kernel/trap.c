// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entries that the application did not ask for: a host signal interrupted it,
 * or us. Runs on the host's alternate stack and decides where to go on.
 */
#include <linux/extable.h>
#include <linux/ptrace.h>
#include <linux/sched/debug.h>
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <asm/sections.h>
#include "libos.h"

extern char libos_async_syscall[], libos_async_fault[], libos_async_tick[];
extern char libos_async_kernel_fault[];
extern char libos_exit_fast_restart[], libos_exit_fast_begin[], libos_exit_fast_jump[];
extern char libos_exit_full_restart[], libos_exit_full_begin[], libos_exit_full_iret[];

static bool within(unsigned long ip, const char *begin, const char *end)
{
	return ip >= (unsigned long)begin && ip < (unsigned long)end;
}

static bool on_kernel_stack(unsigned long sp)
{
	unsigned long end = this_cpu_read(libos_cpu.kernel_sp) + LIBOS_STACK_PADDING;

	return sp <= end && sp > end - THREAD_SIZE;
}

static bool in_image(unsigned long ip)
{
	return ip >= LIBOS_IMAGE_BASE && ip < LIBOS_RAM_BASE;
}

/* The host's vDSO is neither the application nor our image: ask the state too. */
static bool in_user(unsigned long ip)
{
	return !in_image(ip) && this_cpu_read(libos_cpu.state) == LIBOS_STATE_USER;
}

static void redirect(struct pt_regs *regs, const char *entry, unsigned long frame)
{
	*(struct pt_regs *)frame = *regs;
	regs->ip = (unsigned long)entry;
	regs->sp = frame;
	regs->flags &= ~0x500UL;	/* no direction, no trap flag */
}

static void redirect_user(struct pt_regs *regs, const char *entry)
{
	redirect(regs, entry, (unsigned long)task_pt_regs(current));
}

/*
 * On the very last instruction out, registers are the application's already:
 * make it look as if it had been interrupted there.
 */
static bool finish_exit(struct pt_regs *regs)
{
	if (regs->ip == (unsigned long)libos_exit_fast_jump) {
		regs->ip = regs->cx;
		return true;
	}
	if (regs->ip == (unsigned long)libos_exit_full_iret) {
		unsigned long *frame = (unsigned long *)regs->sp;

		regs->ip = frame[0];
		regs->flags = frame[2];
		regs->sp = frame[3];
		return true;
	}
	return false;
}

static void interrupt(struct pt_regs *regs)
{
	if (in_user(regs->ip) || finish_exit(regs)) {
		redirect_user(regs, libos_async_tick);
		return;
	}
	if (within(regs->ip, libos_exit_fast_begin, libos_exit_fast_jump))
		regs->ip = (unsigned long)libos_exit_fast_restart;
	else if (within(regs->ip, libos_exit_full_begin, libos_exit_full_iret))
		regs->ip = (unsigned long)libos_exit_full_restart;
	/* elsewhere in the kernel: pending, seen when interrupts are enabled */
}

static void fault(struct libos_trap *trap)
{
	struct pt_regs *regs = trap->regs;
	struct thread_struct *thread = &current->thread;
	bool page_fault = trap->sig == SIGSEGV && trap->code != SI_KERNEL;
	bool kernel = in_image(regs->ip) && on_kernel_stack(regs->sp);

	if (page_fault && libos_tlb_refill(trap->address, trap->error))
		return;
	thread->fault_address = trap->address;
	thread->error_code = trap->error;
	thread->trap_nr = trap->trap_nr;
	thread->fault_signal = trap->sig;
	thread->fault_code = trap->code;
	if (kernel) {
		redirect(regs, libos_async_kernel_fault,
			 ((regs->sp - 128) & ~15UL) - sizeof(*regs) - 8);
		((struct pt_regs *)regs->sp)->cs = LIBOS_USER_CS;
		return;
	}
	if (!in_user(regs->ip) && !within(regs->ip, libos_exit_fast_begin, libos_exit_full_iret)) {
		pr_emerg("fault outside the kernel: address %lx ip %lx sp %lx\n",
			 trap->address, regs->ip, regs->sp);
		show_stack(NULL, on_kernel_stack(regs->sp) ? (unsigned long *)regs->sp : NULL, KERN_EMERG);
		rt_exit(125);
	}
	redirect_user(regs, libos_async_fault);
}

void libos_trap(struct libos_trap *trap)
{
	trap->cpu = raw_smp_processor_id();
	switch (trap->kind) {
	case LIBOS_TRAP_SYSCALL:
		libos_stats.trapped++;
		redirect_user(trap->regs, libos_async_syscall);
		break;
	case LIBOS_TRAP_FAULT:
		fault(trap);
		break;
	case LIBOS_TRAP_TICK:
		libos_stats.ticks++;
		__atomic_fetch_or(this_cpu_ptr(&libos_cpu.pending), LIBOS_PENDING_TICK, __ATOMIC_SEQ_CST);
		interrupt(trap->regs);
		break;
	case LIBOS_TRAP_SIGNAL:
		__atomic_fetch_or(this_cpu_ptr(&libos_cpu.pending), LIBOS_PENDING_SIGNAL, __ATOMIC_SEQ_CST);
		interrupt(trap->regs);
		break;
	}
}

void libos_trapped_syscall(struct pt_regs *regs)
{
	libos_rewrite_site(regs);
	libos_do_syscall(regs);
}

/* A fault of the application that the page tables did not answer. */
void libos_user_fault(struct pt_regs *regs)
{
	struct thread_struct *thread = &current->thread;
	unsigned long address = thread->fault_address;
	int signal = thread->fault_signal, code = thread->fault_code;

	regs->orig_ax = -1;
	if (signal == SIGSEGV && code != SI_KERNEL)
		signal = libos_fault(regs, address, thread->error_code, true);
	else
		signal |= code << 8;
	if (signal)
		force_sig_fault(signal & 0xff, signal >> 8, (void __user *)address);
	libos_exit_work(regs);
}

/* A fault of the kernel: on behalf of the application, or a bug. */
void libos_kernel_fault(struct pt_regs *regs)
{
	unsigned long address = current->thread.fault_address;
	unsigned long error = current->thread.error_code;
	const struct exception_table_entry *fixup;
	unsigned long cs = regs->cs;

	regs->cs = LIBOS_KERNEL_CS;
	if (libos_fault(regs, address, error, false)) {
		fixup = search_exception_tables(regs->ip);
		if (!fixup) {
			pr_emerg("kernel fault: address %lx error %lx task %s\n",
				 address, error, current->comm);
			show_regs(regs);
			show_stack(NULL, (unsigned long *)regs->sp, KERN_EMERG);
			panic("kernel fault");
		}
		regs->ip = fixup->fixup;
	}
	regs->cs = cs;
}
