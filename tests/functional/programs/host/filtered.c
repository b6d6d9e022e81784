// SPDX-License-Identifier: Apache-2.0
/*
 * Stands in for the enclave's executable: becomes $FILTERED under a filter that
 * kills on any host call that is not made from the enclave's image (or from
 * the host's vDSO). It is linked to where the image will be, so that its own
 * execve passes.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#define IP_LOW offsetof(struct seccomp_data, instruction_pointer)
#define IP_HIGH (IP_LOW + 4)
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define AT_LEAST(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, value, yes, no)
#define EQUALS(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)

int main(int argc, char **argv)
{
	static struct sock_filter filter[] = {
		/* 0 */ LOAD(offsetof(struct seccomp_data, arch)),
		/* 1 */ EQUALS(AUDIT_ARCH_X86_64, 0, 6),
		/* 2 */ LOAD(IP_HIGH),
		/* 3 */ AT_LEAST(0x7ffc, 5, 0),	/* the host's vDSO is up there */
		/* 4 */ EQUALS(0, 0, 3),
		/* 5 */ LOAD(IP_LOW),
		/* 6 */ AT_LEAST(0x70000000, 0, 1),
		/* 7 */ AT_LEAST(0x80000000, 0, 1),
		/* 8 */ BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		/* 9 */ BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(*filter), filter };
	char *const none[] = { NULL };

	(void)argc;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
		perror("filter");
		return 124;
	}
	execve(FILTERED, argv, none);
	perror(FILTERED);
	return 124;
}
