// SPDX-License-Identifier: GPL-2.0-only
/* Offsets are constants in asm/cpu_area.h and asm/ptrace.h's order of pushes. */
#include <linux/kbuild.h>
#include <linux/sched.h>

int main(void)
{
	DEFINE(THREAD_SP, offsetof(struct task_struct, thread.sp));
	return 0;
}
