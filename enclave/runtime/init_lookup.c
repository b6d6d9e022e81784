// SPDX-License-Identifier: GPL-2.0-only
/*
 * Finds the program in the image and checks that it can run, so that a mistake
 * gets a line that names it rather than execve's errno.
 */
#include "init.h"
#include "init_sys.h"

#include <asm/errno.h>
#include <asm/stat.h>
#include <linux/elf.h>
#include <linux/fcntl.h>
#include <linux/stat.h>

#define DEFAULT_PATH \
	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

enum { HEAD_BYTES = 256 /* as much as the kernel reads: BINPRM_BUF_SIZE */ };

static bool has_slash(const char *s)
{
	for (; *s; s++)
		if (*s == '/')
			return true;
	return false;
}

/* 0 when @path is a file that can be executed, else -errno. */
static int check_file(const char *path)
{
	struct stat st;
	int err = sys2(__NR_stat, path, &st);

	if (err)
		return err;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	return S_ISREG(st.st_mode) && (st.st_mode & 0111) ? 0 : -EACCES;
}

static const char *search_path(void)
{
	const char *value = NULL;
	const char *path;

	while ((value = record_next("env", value))) {
		path = text_after(value, "PATH=");
		if (path)
			return path;
	}
	return DEFAULT_PATH;
}

/* As execvp(3): the first that can run; what can't is remembered. */
static int search(const char *name, char *path, size_t size)
{
	const char *rest = search_path();
	int err, ret = -ENOENT;

	while (*rest) {
		if (*rest == ':') {
			rest++;
			continue;
		}
		if (!text_field(&rest, ':', path, size))
			return -ENAMETOOLONG;
		if (!text_append(path, size, "/") || !text_append(path, size, name))
			continue;
		err = check_file(path);
		if (!err)
			return 0;
		if (err == -EACCES)
			ret = err;
	}
	return ret;
}

static const char *machine_name(unsigned int machine, char digits[24])
{
	switch (machine) {
	case 3: return "i386 (32 bits)";
	case 40: return "32-bit Arm";
	case 62: return "x32";
	case 183: return "aarch64";
	case 243: return "RISC-V";
	case 21: return "ppc64";
	case 22: return "s390x";
	default: return number_text(machine, digits);
	}
}

static void check_interpreter(int fd, const char *program,
			      const struct elf64_hdr *elf)
{
	struct elf64_phdr segment;
	char name[256];

	for (unsigned int i = 0; i < elf->e_phnum; i++) {
		if (sys_pread(fd, &segment, sizeof(segment),
			      elf->e_phoff + i * sizeof(segment)) !=
		    sizeof(segment))
			fail(program, " is cut off; put a whole copy into the image");
		if (segment.p_type != PT_INTERP)
			continue;
		if (!segment.p_filesz || segment.p_filesz > sizeof(name) ||
		    sys_pread(fd, name, segment.p_filesz, segment.p_offset) !=
		    (long)segment.p_filesz || name[segment.p_filesz - 1])
			fail(program, " names no valid interpreter;"
			     " put a whole copy into the image");
		if (check_file(name))
			fail(program, " needs its interpreter ", name,
			     ", which is not in the image; add the package of its libc");
	}
}

static void check_elf(int fd, const char *program, const struct elf64_hdr *elf,
		      long len)
{
	char digits[24];

	if (len < (long)sizeof(*elf))
		fail(program, " is cut off; put a whole copy into the image");
	if (elf->e_machine != EM_X86_64 ||
	    elf->e_ident[EI_CLASS] != ELFCLASS64)
		fail(program, " is for another machine, ",
		     machine_name(elf->e_ident[EI_CLASS] == ELFCLASS32 &&
				  elf->e_machine == EM_X86_64 ? 62 :
				  elf->e_machine, digits),
		     "; rkt-io runs x86-64 programs");
	if (elf->e_type != ET_EXEC && elf->e_type != ET_DYN)
		fail(program, " is an ELF file but not a program");
	check_interpreter(fd, program, elf);
}

/* "#!" and blanks, the interpreter, then a blank or the end of the line. */
static void check_script(const char *program, char *head)
{
	char *name = head + 2;
	char *end;

	while (*name == ' ' || *name == '\t')
		name++;
	for (end = name; *end && *end != ' ' && *end != '\t' && *end != '\n'; end++)
		;
	*end = '\0';
	if (!*name || check_file(name))
		fail(program, " is a script for ", *name ? name : "nobody",
		     ", which is not in the image; add the package that has it");
}

static void check_format(const char *program)
{
	union {
		char text[HEAD_BYTES + 1];
		struct elf64_hdr elf;
	} head;
	int fd = sys_open(program, O_RDONLY | O_CLOEXEC, 0);
	long n = fd < 0 ? fd : sys_read(fd, head.text, HEAD_BYTES);

	if (n < 0)
		fail("cannot read ", program, ": ",
		     errno_text(-n) ?: "unknown error");
	head.text[n] = '\0';
	if (text_after(head.text, "\177ELF"))
		check_elf(fd, program, &head.elf, n);
	else if (text_after(head.text, "#!"))
		check_script(program, head.text);
	else
		fail(program, " is neither an ELF program nor a script that starts with #!");
	sys_close(fd);
}

void lookup_program(const char *name, char *path, size_t size)
{
	int err;

	path[0] = '\0';
	if (!*name)
		fail("the program's name is empty; give one after the image");
	if (!has_slash(name))
		err = search(name, path, size);
	else if (text_append(path, size, name))
		err = check_file(path);
	else
		err = -ENAMETOOLONG;
	switch (-err) {
	case 0:
		check_format(path);
		return;
	case ENOENT:
	case ENOTDIR:
		fail("no program ", name, " in the image",
		     has_slash(name) ? "" : "'s PATH",
		     "; rkt-io-disk ls shows what is there");
	case EISDIR:
		fail(name, " is a directory, not a program");
	case EACCES:
		fail(name, " is not executable; give it mode 755 in the image");
	default:
		fail("cannot run ", name, ": ", errno_text(-err) ?: "its name is too long");
	}
}
