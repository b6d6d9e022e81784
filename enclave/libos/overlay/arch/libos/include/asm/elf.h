/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_ELF_H
#define _ASM_LIBOS_ELF_H
#include <asm/layout.h>
#include <asm/ptrace.h>
#include <asm/user.h>

typedef unsigned long elf_greg_t;
#define ELF_NGREG (sizeof(struct user_regs_struct) / sizeof(elf_greg_t))
typedef elf_greg_t elf_gregset_t[ELF_NGREG];
typedef struct user_i387_struct elf_fpregset_t;

#define ELF_CLASS	ELFCLASS64
#define ELF_DATA	ELFDATA2LSB
#define ELF_ARCH	EM_X86_64
#define ELF_OSABI	ELFOSABI_LINUX
#define elf_check_arch(x) ((x)->e_machine == EM_X86_64)
#define CORE_DUMP_USE_REGSET
#define ELF_EXEC_PAGESIZE 4096
#define ELF_PLATFORM	("x86_64")
#define SET_PERSONALITY(ex) do { } while (0)

extern unsigned long libos_home_base(void);
#define ELF_ET_DYN_BASE	(libos_home_base() + LIBOS_PIE_OFFSET)

extern unsigned int libos_hwcap;
#define ELF_HWCAP	libos_hwcap
#define ELF_HWCAP2	0	/* FSGSBASE stays ours: GS is the kernel's */

#define AT_LIBOS_SYSCALL 0x6c6f	/* entry for callers that know us: our libc */
extern char libos_entry[];
#define ARCH_DLINFO							\
do {									\
	NEW_AUX_ENT(AT_SYSINFO_EHDR, (unsigned long)current->mm->context.vdso); \
	NEW_AUX_ENT(AT_MINSIGSTKSZ, libos_sigframe_size());		\
	NEW_AUX_ENT(AT_LIBOS_SYSCALL, (unsigned long)libos_entry);	\
} while (0)
extern unsigned long libos_sigframe_size(void);

#define ARCH_HAS_SETUP_ADDITIONAL_PAGES
struct linux_binprm;
extern int arch_setup_additional_pages(struct linux_binprm *bprm, int uses_interp);
#endif
