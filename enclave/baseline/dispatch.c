// SPDX-License-Identifier: GPL-2.0-only
/* Every system call of the program arrives here; most go on to the host as they are. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "program.h"

enum { CALLS = 512 };

/* PLAIN may be done by any thread of the process; OWN belongs to the calling thread. */
enum kind {
	PLAIN, OWN, CLONE, CLONE3, FORK, EXIT, EXIT_GROUP, EXEC, EXECVEAT, SIGRETURN, SIGACTION,
	MASK0, MASK1, MASK3, MASK4, PSELECT, MMAP, CLOSE, CLOSE_RANGE, DUP, READLINK, READLINKAT,
	ARCH_PRCTL, CREDENTIALS,
};

static const uint8_t kinds[CALLS] = {
	[SYS_clone] = CLONE, [SYS_clone3] = CLONE3, [SYS_fork] = FORK, [SYS_vfork] = FORK,
	[SYS_exit] = EXIT, [SYS_exit_group] = EXIT_GROUP, [SYS_execve] = EXEC,
	[SYS_execveat] = EXECVEAT, [SYS_rt_sigreturn] = SIGRETURN, [SYS_rt_sigaction] = SIGACTION,
	[SYS_rt_sigprocmask] = MASK1, [SYS_rt_sigsuspend] = MASK0, [SYS_ppoll] = MASK3,
	[SYS_epoll_pwait] = MASK4, [SYS_epoll_pwait2] = MASK4, [SYS_pselect6] = PSELECT,
	[SYS_mmap] = MMAP, [SYS_close] = CLOSE, [SYS_close_range] = CLOSE_RANGE,
	[SYS_dup2] = DUP, [SYS_dup3] = DUP, [SYS_readlink] = READLINK,
	[SYS_readlinkat] = READLINKAT, [SYS_arch_prctl] = ARCH_PRCTL,

	[SYS_setuid] = CREDENTIALS, [SYS_setgid] = CREDENTIALS, [SYS_setreuid] = CREDENTIALS,
	[SYS_setregid] = CREDENTIALS, [SYS_setgroups] = CREDENTIALS, [SYS_setresuid] = CREDENTIALS,
	[SYS_setresgid] = CREDENTIALS, [SYS_setfsuid] = CREDENTIALS, [SYS_setfsgid] = CREDENTIALS,
	[SYS_capset] = CREDENTIALS, [SYS_unshare] = CREDENTIALS, [SYS_setns] = CREDENTIALS,

	[SYS_gettid] = OWN, [SYS_set_tid_address] = OWN, [SYS_set_robust_list] = OWN,
	[SYS_get_robust_list] = OWN, [SYS_sigaltstack] = OWN, [SYS_rt_sigpending] = OWN,
	[SYS_rt_sigtimedwait] = OWN, [SYS_prctl] = OWN, [SYS_rseq] = OWN, [SYS_getrusage] = OWN,
	[SYS_getpriority] = OWN, [SYS_setpriority] = OWN, [SYS_ioprio_get] = OWN,
	[SYS_ioprio_set] = OWN, [SYS_sched_setparam] = OWN, [SYS_sched_getparam] = OWN,
	[SYS_sched_setscheduler] = OWN, [SYS_sched_getscheduler] = OWN, [SYS_sched_yield] = OWN,
	[SYS_sched_setaffinity] = OWN, [SYS_sched_getaffinity] = OWN, [SYS_sched_setattr] = OWN,
	[SYS_sched_getattr] = OWN, [SYS_ptrace] = OWN, [SYS_personality] = OWN, [SYS_kill] = OWN,
	[SYS_tkill] = OWN, [SYS_tgkill] = OWN, [SYS_getcpu] = OWN, [SYS_membarrier] = OWN,
	[SYS_capget] = OWN, [SYS_seccomp] = OWN, [SYS_clock_gettime] = OWN,
	/* These wait, as a rule for another thread: a worker would only be held up. */
	[SYS_futex] = OWN, [SYS_nanosleep] = OWN, [SYS_clock_nanosleep] = OWN, [SYS_pause] = OWN,
	[SYS_wait4] = OWN, [SYS_waitid] = OWN,
};

static long map(struct thread *self, const struct frame *frame)
{
	long ret = cross(self, frame);
	int prot = frame->arg[2], flags = frame->arg[3];

	if (!failed(ret) && (prot & PROT_EXEC) && !(prot & PROT_WRITE) &&
	    !(flags & (MAP_ANONYMOUS | MAP_SHARED)))
		rewrite_mapping(ret, frame->arg[1], frame->arg[4], frame->arg[5]);
	return ret;
}

/* The shared state's descriptor is not the program's to close. */
static long close_range(struct thread *self, const struct frame *frame)
{
	unsigned int first = frame->arg[0], last = frame->arg[1];
	long arg[6] = { first, state_fd - 1, frame->arg[2] };
	long ret;

	if (first > (unsigned int)state_fd || last < (unsigned int)state_fd)
		return cross(self, frame);
	ret = first < (unsigned int)state_fd ? cross_with(self, frame, arg) : 0;
	if (ret || last == (unsigned int)state_fd)
		return ret;
	arg[0] = state_fd + 1;
	arg[1] = last;
	return cross_with(self, frame, arg);
}

/* The program's name for itself would be ours. */
static long read_link(struct thread *self, const struct frame *frame, unsigned int path)
{
	const char *name = (const char *)frame->arg[path];
	size_t length = strlen(program_path), room = frame->arg[path + 2];

	if (!name || strcmp(name, "/proc/self/exe"))
		return cross(self, frame);
	length = length < room ? length : room;
	memcpy((void *)frame->arg[path + 1], program_path, length);
	return length;
}

static long change_credentials(struct thread *self, const struct frame *frame)
{
	long ret = cross(self, frame);

	handover_stop();
	return ret;
}

static long end(struct thread *self, const struct frame *frame)
{
	if (state->print_stats && call0(SYS_getpid) == state->first_process)
		report();
	thread_give(self);
	return cross(self, frame);
}

static long particular(struct thread *self, struct frame *frame, enum kind kind)
{
	switch (kind) {
	case CLONE:
		return thread_clone(frame);
	case CLONE3:
		return thread_clone3(frame);
	case FORK:
		return thread_fork(frame);
	case EXIT:
		return thread_exit(frame);
	case EXIT_GROUP:
		return end(self, frame);
	case EXEC:
	case EXECVEAT:
		return exec_program(frame, kind == EXECVEAT);
	case SIGRETURN:
		self->crossings++;
		spin(state->cycles);
		signal_return(frame->rsp);
	case SIGACTION:
		return sigmask_action(self, frame);
	case MASK0:
		return sigmask_argument(self, frame, 0);
	case MASK1:
		return sigmask_argument(self, frame, 1);
	case MASK3:
		return frame->arg[3] ? sigmask_argument(self, frame, 3) : handover(self, frame);
	case MASK4:
		return frame->arg[4] ? sigmask_argument(self, frame, 4) : handover(self, frame);
	case PSELECT:
		return sigmask_pselect(self, frame);
	case MMAP:
		return map(self, frame);
	case CLOSE:
		return (int)frame->arg[0] == state_fd ? -EBADF : handover(self, frame);
	case CLOSE_RANGE:
		return close_range(self, frame);
	case DUP:
		return (int)frame->arg[1] == state_fd ? -EBADF : handover(self, frame);
	case READLINK:
		return read_link(self, frame, 0);
	case READLINKAT:
		return read_link(self, frame, 1);
	case ARCH_PRCTL:	/* ARCH_SET_GS, ARCH_GET_GS: its base is ours */
		return frame->arg[0] == 0x1001 || frame->arg[0] == 0x1004 ? -EINVAL :
									    cross(self, frame);
	case CREDENTIALS:
		return change_credentials(self, frame);
	default:
		return cross(self, frame);
	}
}

long dispatch(struct frame *frame)
{
	struct thread *self = this_thread();
	unsigned long nr = frame->nr;

	self->calls++;
	self->traps += frame->trapped;
	if (nr < CALLS && kinds[nr] != PLAIN)
		return particular(self, frame, kinds[nr]);
	return handover(self, frame);
}
