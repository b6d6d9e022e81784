// SPDX-License-Identifier: GPL-2.0-only
/* Tasks: made, switched, sent to the application and back. */
#include <linux/elfcore.h>
#include <linux/ptrace.h>
#include <linux/resume_user_mode.h>
#include <linux/sched/debug.h>
#include <linux/sched/task.h>
#include <linux/sched/task_stack.h>
#include <linux/syscalls.h>
#include <asm/switch_to.h>
#include <asm/syscall.h>
#include "libos.h"

extern struct task_struct *libos_switch_stack(struct task_struct *prev, struct task_struct *next);
extern char libos_ret_from_fork[];

static inline unsigned long kernel_sp_of(struct task_struct *task)
{
	return (unsigned long)(task_pt_regs(task) + 1);
}

struct task_struct *libos_switch_to(struct task_struct *prev, struct task_struct *next)
{
	if (unlikely(prev->thread.deferred_flush))
		libos_drop_deferred(prev);
	libos_fpu_save(prev);
	if (!(prev->flags & PF_KTHREAD))
		asm volatile("rdfsbase %0" : "=r" (prev->thread.fsbase));
	if (!(next->flags & PF_KTHREAD))
		asm volatile("wrfsbase %0" :: "r" (next->thread.fsbase));
	this_cpu_write(libos_cpu.current_task, next);
	this_cpu_write(libos_cpu.kernel_sp, kernel_sp_of(next));
	return libos_switch_stack(prev, next);
}

int copy_thread(struct task_struct *task, const struct kernel_clone_args *args)
{
	struct pt_regs *regs = task_pt_regs(task);
	unsigned long *sp = (unsigned long *)regs;

	*--sp = (unsigned long)libos_ret_from_fork;
	*--sp = 0;					/* rbp */
	if (args->fn) {
		memset(regs, 0, sizeof(*regs));
		*--sp = (unsigned long)args->fn;	/* rbx */
		*--sp = (unsigned long)args->fn_arg;	/* r12 */
		task->thread.fsbase = 0;
	} else {
		*regs = *current_pt_regs();
		regs->ax = 0;
		if (args->stack)
			regs->sp = args->stack;
		*--sp = 0;
		*--sp = 0;
		if (args->flags & CLONE_SETTLS)
			task->thread.fsbase = args->tls;
		else
			asm volatile("rdfsbase %0" : "=r" (task->thread.fsbase));
	}
	*--sp = 0;					/* r13 to r15 */
	*--sp = 0;
	*--sp = 0;
	task->thread.sp = (unsigned long)sp;
	return 0;
}

/* On the new task's stack, below its pt_regs. */
void libos_first_run(struct task_struct *prev, int (*fn)(void *), void *arg, struct pt_regs *regs)
{
	schedule_tail(prev);
	if (fn)
		fn(arg);	/* comes back when it has exec'ed a program */
	libos_check_new_pin();
	libos_exit_work(regs);
}

void start_thread(struct pt_regs *regs, unsigned long ip, unsigned long sp)
{
	memset(regs, 0, sizeof(*regs));
	regs->orig_ax = -1;
	regs->ip = ip;
	regs->sp = sp;
	regs->cs = LIBOS_USER_CS;
	regs->ss = LIBOS_USER_SS;
	regs->flags = 0x202;
}

void flush_thread(void)
{
	current->thread.fsbase = 0;
	asm volatile("wrfsbase %0" :: "r" (0UL));
	libos_fpu_flush();
}

/* Everything that must happen before the application goes on. */
void libos_exit_work(struct pt_regs *regs)
{
	unsigned long work;

	if (unlikely(this_cpu_read(libos_cpu.pending)))
		libos_irq_pending();
	while ((work = READ_ONCE(current_thread_info()->flags) & _TIF_WORK_MASK)) {
		if (work & _TIF_NEED_RESCHED)
			schedule();
		if (work & (_TIF_SIGPENDING | _TIF_NOTIFY_SIGNAL))
			libos_do_signal(regs);
		if (work & _TIF_NOTIFY_RESUME)
			resume_user_mode_work(regs);
	}
	if (unlikely(current->thread.pin))
		libos_check_pin();
	libos_fpu_load();
}

#define POLL_EVERY 16	/* system calls between looks at clock and devices */

/* Returns whether all registers must be loaded on the way out. */
int libos_do_syscall(struct pt_regs *regs)
{
	unsigned long nr = regs->orig_ax, ip = regs->ip, sp = regs->sp;

	libos_stats.syscalls++;
	if (likely(nr < NR_syscalls))
		regs->ax = sys_call_table[nr](regs->di, regs->si, regs->dx,
					      regs->r10, regs->r8, regs->r9);
	if (unlikely(this_cpu_inc_return(libos_cpu.poll_skip) >= POLL_EVERY))
		libos_poll_all();
	if (unlikely(READ_ONCE(current_thread_info()->flags) & _TIF_WORK_MASK || current->thread.pin))
		libos_exit_work(regs);
	libos_fpu_load();
	return unlikely(regs->ip != ip || regs->sp != sp || nr == __NR_rt_sigreturn);
}

unsigned long __get_wchan(struct task_struct *task)
{
	return 0;
}

void show_regs(struct pt_regs *regs)
{
	pr_emerg("ip %lx sp %lx ax %lx bx %lx cx %lx dx %lx si %lx di %lx\n", regs->ip,
		 regs->sp, regs->ax, regs->bx, regs->cx, regs->dx, regs->si, regs->di);
}

/* No unwinder: every word that points into text, for a reader with the map. */
void show_stack(struct task_struct *task, unsigned long *sp, const char *loglvl)
{
	extern char _stext[], _etext[];
	unsigned long end, shown = 0;

	if (!sp)
		sp = __builtin_frame_address(0);
	end = ((unsigned long)sp | (THREAD_SIZE - 1)) + 1;
	printk("%scall trace:", loglvl);
	for (; (unsigned long)sp < end && shown < 32; sp++) {
		if (*sp < (unsigned long)_stext || *sp >= (unsigned long)_etext)
			continue;
		printk(KERN_CONT " %lx", *sp);
		shown++;
	}
	printk(KERN_CONT "\n");
}

int elf_core_copy_task_fpregs(struct task_struct *task, elf_fpregset_t *fpu)
{
	return 0;
}

void user_enable_single_step(struct task_struct *task) { }
void user_disable_single_step(struct task_struct *task) { }
void ptrace_disable(struct task_struct *task) { }

long arch_ptrace(struct task_struct *child, long request, unsigned long addr, unsigned long data)
{
	return ptrace_request(child, request, addr, data);
}
