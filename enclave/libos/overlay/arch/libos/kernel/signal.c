// SPDX-License-Identifier: GPL-2.0-only
/* Signals as x86-64 programs know them: rt_sigframe, XSAVE state, rt_sigreturn. */
#include <linux/resume_user_mode.h>
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <linux/syscalls.h>
#include <linux/uaccess.h>
#include <asm/ucontext.h>
#include <uapi/asm/sigcontext.h>
#include "libos.h"

struct rt_sigframe {
	char __user *pretcode;
	struct ucontext uc;
	struct siginfo info;
	/* XSAVE state follows, 64-byte aligned */
};

#define RED_ZONE	128
#define FLAGS_OF_USER	(X86_EFLAGS_AC | X86_EFLAGS_OF | X86_EFLAGS_TF | X86_EFLAGS_DF | X86_EFLAGS_SF | \
			 X86_EFLAGS_ZF | X86_EFLAGS_AF | X86_EFLAGS_PF | X86_EFLAGS_CF | X86_EFLAGS_RF)
#define SW_RESERVED	464	/* offset of struct _fpx_sw_bytes in the FXSAVE area */

unsigned long libos_sigframe_size(void)
{
	return sizeof(struct rt_sigframe) + libos_xsave_bytes + FP_XSTATE_MAGIC2_SIZE + 64 + 16;
}

static struct rt_sigframe __user *place_frame(struct ksignal *ksig, struct pt_regs *regs,
					      unsigned long *fpstate)
{
	unsigned long sp = sigsp(regs->sp - RED_ZONE, ksig);

	sp = (sp - libos_xsave_bytes - FP_XSTATE_MAGIC2_SIZE) & ~63UL;
	*fpstate = sp;
	sp = ((sp - sizeof(struct rt_sigframe)) & ~15UL) - 8;
	if (on_sig_stack(regs->sp) && !__on_sig_stack(sp))
		return NULL;	/* the alternate stack overflowed */
	return (struct rt_sigframe __user *)sp;
}

static int save_fpstate(void __user *to)
{
	struct _fpx_sw_bytes sw = {
		.magic1 = FP_XSTATE_MAGIC1,
		.extended_size = libos_xsave_bytes + FP_XSTATE_MAGIC2_SIZE,
		.xfeatures = libos_fpu_features(),
		.xstate_size = libos_xsave_bytes,
	};
	u32 magic2 = FP_XSTATE_MAGIC2;

	if (copy_to_user(to, libos_fpu_snapshot(), libos_xsave_bytes) ||
	    copy_to_user(to + SW_RESERVED, &sw, sizeof(sw)) ||
	    copy_to_user(to + libos_xsave_bytes, &magic2, sizeof(magic2)))
		return -EFAULT;
	return 0;
}

static int restore_fpstate(const void __user *from)
{
	struct _fpx_sw_bytes sw;

	if (!from) {
		libos_fpu_flush();
		return 0;
	}
	if ((unsigned long)from & 63 || copy_from_user(&sw, from + SW_RESERVED, sizeof(sw)) ||
	    sw.magic1 != FP_XSTATE_MAGIC1 || sw.xstate_size != libos_xsave_bytes)
		return -EFAULT;
	/* From here the registers in memory are half new: only death follows. */
	libos_fpu_flush();
	if (copy_from_user(current->thread.fpu, from, libos_xsave_bytes))
		return -EFAULT;
	libos_fpu_replace();
	return 0;
}

#define FOR_EACH_REG(x)								\
	x(r8) x(r9) x(r10) x(r11) x(r12) x(r13) x(r14) x(r15) x(di) x(si) x(bp)	\
	x(bx) x(dx) x(ax) x(cx) x(sp) x(ip)

static void save_sigcontext(struct sigcontext *sc, struct pt_regs *regs,
			    unsigned long mask, unsigned long fpstate)
{
#define COPY(reg) sc->reg = regs->reg;
	FOR_EACH_REG(COPY)
#undef COPY
	sc->flags = regs->flags;
	sc->cs = LIBOS_USER_CS;
	sc->ss = LIBOS_USER_SS;
	sc->err = current->thread.error_code;
	sc->trapno = current->thread.trap_nr;
	sc->cr2 = current->thread.fault_address;
	sc->oldmask = mask;
	sc->fpstate = fpstate;
}

static int setup_frame(struct ksignal *ksig, struct pt_regs *regs, sigset_t *mask)
{
	struct rt_sigframe frame = { .pretcode = (char __user *)ksig->ka.sa.sa_restorer };
	struct rt_sigframe __user *uframe;
	unsigned long fpstate;

	if (!(ksig->ka.sa.sa_flags & SA_RESTORER))
		return -EFAULT;	/* x86-64 programs always bring one */
	uframe = place_frame(ksig, regs, &fpstate);
	if (!uframe || save_fpstate((void __user *)fpstate))
		return -EFAULT;
	frame.uc.uc_flags = UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
	save_sigcontext(&frame.uc.uc_mcontext, regs, mask->sig[0], fpstate);
	frame.uc.uc_sigmask = *mask;
	if (copy_to_user(uframe, &frame, offsetof(struct rt_sigframe, info)) ||
	    __save_altstack(&uframe->uc.uc_stack, regs->sp) ||
	    (ksig->ka.sa.sa_flags & SA_SIGINFO &&
	     copy_siginfo_to_user(&uframe->info, &ksig->info)))
		return -EFAULT;
	regs->di = ksig->sig;
	regs->si = (unsigned long)&uframe->info;
	regs->dx = (unsigned long)&uframe->uc;
	regs->ax = 0;
	regs->ip = (unsigned long)ksig->ka.sa.sa_handler;
	regs->sp = (unsigned long)uframe;
	regs->flags &= ~(X86_EFLAGS_DF | X86_EFLAGS_RF | X86_EFLAGS_TF);
	libos_fpu_flush();	/* handlers start with clean registers */
	return 0;
}

/* Let the interrupted system call start again: its instruction is 2 bytes back. */
static void restart(struct pt_regs *regs)
{
	regs->ax = regs->orig_ax;
	regs->ip -= 2;
}

static void handle(struct ksignal *ksig, struct pt_regs *regs)
{
	if ((long)regs->orig_ax >= 0) {
		switch ((long)regs->ax) {
		case -ERESTART_RESTARTBLOCK:
		case -ERESTARTNOHAND:
			regs->ax = -EINTR;
			break;
		case -ERESTARTSYS:
			if (!(ksig->ka.sa.sa_flags & SA_RESTART)) {
				regs->ax = -EINTR;
				break;
			}
			fallthrough;
		case -ERESTARTNOINTR:
			restart(regs);
		}
	}
	signal_setup_done(setup_frame(ksig, regs, sigmask_to_save()), ksig, 0);
}

void libos_do_signal(struct pt_regs *regs)
{
	struct ksignal ksig;

	if (get_signal(&ksig)) {
		handle(&ksig, regs);
		regs->orig_ax = -1;
		return;
	}
	if ((long)regs->orig_ax >= 0) {
		switch ((long)regs->ax) {
		case -ERESTART_RESTARTBLOCK:
			restart(regs);
			regs->ax = __NR_restart_syscall;
			break;
		case -ERESTARTNOHAND:
		case -ERESTARTSYS:
		case -ERESTARTNOINTR:
			restart(regs);
		}
		regs->orig_ax = -1;
	}
	restore_saved_sigmask();
}

SYSCALL_DEFINE0(rt_sigreturn)
{
	struct pt_regs *regs = current_pt_regs();
	struct rt_sigframe __user *uframe = (void __user *)(regs->sp - sizeof(long));
	struct sigcontext sc;
	sigset_t mask;

	current->restart_block.fn = do_no_restart_syscall;
	if (copy_from_user(&sc, &uframe->uc.uc_mcontext, sizeof(sc)) ||
	    copy_from_user(&mask, &uframe->uc.uc_sigmask, sizeof(mask)))
		goto bad;
	if (sc.ip >= TASK_SIZE || sc.sp >= TASK_SIZE)
		goto bad;
	set_current_blocked(&mask);
#define COPY(reg) regs->reg = sc.reg;
	FOR_EACH_REG(COPY)
#undef COPY
	regs->flags = (regs->flags & ~FLAGS_OF_USER) | (sc.flags & FLAGS_OF_USER);
	regs->orig_ax = -1;
	if (restore_fpstate((void __user *)sc.fpstate) || restore_altstack(&uframe->uc.uc_stack))
		goto bad;
	return regs->ax;
bad:
	force_sig(SIGSEGV);
	return 0;
}
