// SPDX-License-Identifier: GPL-2.0-only
/*
 * exec: the host's kernel starts this runtime again, which then loads the
 * program. What can fail is looked at before, while there is somebody to tell.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "program.h"

enum { HEAD_BYTES = 256, SCRIPTS_MAX = 5, PATH_BYTES = 4096, OURS = 4 };

static long read_head(const char *path, char head[HEAD_BYTES])
{
	struct stat st;
	long fd, n;

	fd = call3(SYS_open, path, O_RDONLY | O_CLOEXEC, 0);
	if (failed(fd))
		return fd;
	memset(head, 0, HEAD_BYTES);
	n = call2(SYS_fstat, fd, &st);
	if (!n && !S_ISREG(st.st_mode))
		n = -EACCES;
	if (!n)
		n = call2(SYS_access, path, X_OK);
	if (!n)
		n = call4(SYS_pread64, fd, head, HEAD_BYTES - 1, 0);
	call1(SYS_close, fd);
	return n;
}

static bool is_program(const char *head)
{
	const Elf64_Ehdr *elf = (const void *)head;

	return !memcmp(elf->e_ident, ELFMAG, SELFMAG) && elf->e_ident[EI_CLASS] == ELFCLASS64 &&
	       elf->e_machine == EM_X86_64 && (elf->e_type == ET_EXEC || elf->e_type == ET_DYN);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* "#! interpreter [argument]": cut @line up in place. */
static char *script_words(char *line, char **ret_argument)
{
	char *end = line, *word;

	*ret_argument = NULL;
	while (*end && *end != '\n')
		end++;
	while (end > line && is_blank(end[-1]))
		end--;
	*end = '\0';
	while (is_blank(*line))
		line++;
	for (word = line; *word && !is_blank(*word); word++)
		;
	if (*word) {
		*word++ = '\0';
		while (is_blank(*word))
			word++;
		*ret_argument = word;
	}
	return line;
}

/* The path of execveat(), as this process can name it. */
static const char *path_at(char *room, long dir, const char *path)
{
	char *to;

	if (*path == '/' || (int)dir == AT_FDCWD)
		return path;
	to = number(text(room, "/proc/self/fd/"), dir);
	if (*path && strlen(path) < PATH_BYTES - 32)
		to = text(text(to, "/"), path);
	*to = '\0';
	return room;
}

/* Put interpreters before the arguments until there is a program. */
static long resolve(const char *path, char heads[SCRIPTS_MAX][HEAD_BYTES], const char ***words,
		    const char **ret_path)
{
	for (int depth = 0; depth < SCRIPTS_MAX; depth++) {
		char *argument, *head = heads[depth];
		long n = read_head(path, head);

		if (failed(n))
			return n;
		if (is_program(head)) {
			*ret_path = path;
			return 0;
		}
		if (head[0] != '#' || head[1] != '!')
			return -ENOEXEC;
		++*words;	/* its own name becomes its path */
		*--*words = path;
		path = script_words(head + 2, &argument);
		if (argument)
			*--*words = argument;
		*--*words = path;
		if (!*path)
			return -ENOEXEC;
	}
	return -ELOOP;
}

static long start(const char *path, const char **words, char *const *environment)
{
	static const char name[] = "rkt-io-baseline";
	char fd[24], block[24];
	struct thread *self = this_thread();

	*number(fd, state_fd) = '\0';
	*number(block, self - state->thread) = '\0';
	*--words = path;
	*--words = block;
	*--words = fd;
	*--words = name;
	self->crossings++;
	spin(state->cycles);
	return call3(SYS_execve, "/proc/self/exe", words, environment);
}

long exec_program(struct frame *frame, bool at)
{
	const char *path = (const char *)frame->arg[at];
	const char *const *argv = (const void *)frame->arg[at + 1];
	char *const *environment = (void *)frame->arg[at + 2];
	char heads[SCRIPTS_MAX][HEAD_BYTES], room[PATH_BYTES];
	size_t argc = 0, before = OURS + 3 * SCRIPTS_MAX;
	long err;

	if (!path)
		return -EFAULT;
	if (at)
		path = path_at(room, frame->arg[0], path);
	if (!strcmp(path, "/proc/self/exe"))
		path = program_path;
	while (argv && argv[argc])
		argc++;
	{
		const char *all[before + argc + 2], **words = all + before;
		const char *program;

		all[before] = path;	/* for a program without any argument */
		all[before + 1] = NULL;
		for (size_t i = 0; i < argc; i++)
			words[i] = argv[i];
		words[argc ? argc : 1] = NULL;
		err = resolve(path, heads, &words, &program);
		return err ? err : start(program, words, environment);
	}
}
