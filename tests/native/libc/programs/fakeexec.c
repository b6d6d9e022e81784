/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fakeexec COUNTER LOADER|- PROGRAM [ARGS...]: does what exec does, in this
 * process, and announces a system-call entry (fakeexec_entry.S) as a library
 * kernel does. COUNTER: a file of 8 bytes, for the number of calls.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fakeexec.h"

enum { PAGE = 4096, PHDRS = 32, AT_LIBOS_SYSCALL = 0x6c6f };

struct image {
	uintptr_t bias;
	uintptr_t entry;
	uintptr_t phdr;
	size_t phnum;
};

unsigned long *fake_counter;

static void map_segment(int fd, uintptr_t bias, const Elf64_Phdr *phdr)
{
	uintptr_t start = (bias + phdr->p_vaddr) & -PAGE;
	uintptr_t file_end = bias + phdr->p_vaddr + phdr->p_filesz;
	uintptr_t end = (bias + phdr->p_vaddr + phdr->p_memsz + PAGE - 1) & -PAGE;
	uintptr_t file_pages_end = (file_end + PAGE - 1) & -PAGE;
	off_t offset = phdr->p_offset & -PAGE;
	int prot = (phdr->p_flags & PF_R ? PROT_READ : 0) | (phdr->p_flags & PF_W ? PROT_WRITE : 0) |
		   (phdr->p_flags & PF_X ? PROT_EXEC : 0);

	if (mmap((void *)start, file_end - start, prot, MAP_PRIVATE | MAP_FIXED, fd, offset) == MAP_FAILED)
		err(125, "segment at %#lx", start);
	if (prot & PROT_WRITE)
		memset((void *)file_end, 0, file_pages_end - file_end);
	if (end > file_pages_end &&
	    mmap((void *)file_pages_end, end - file_pages_end, prot,
		 MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
		err(125, "bss at %#lx", file_pages_end);
}

/* Room for all segments of a position-independent image. */
static uintptr_t reserve(const Elf64_Phdr *phdrs, size_t count)
{
	uintptr_t end = 0;
	void *room;

	for (size_t i = 0; i < count; i++)
		if (phdrs[i].p_type == PT_LOAD)
			end = phdrs[i].p_vaddr + phdrs[i].p_memsz;
	room = mmap(NULL, end + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (room == MAP_FAILED)
		err(125, "reserve");
	return (uintptr_t)room;
}

static struct image load(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	Elf64_Phdr phdrs[PHDRS];
	struct image image = { 0 };
	Elf64_Ehdr ehdr;

	if (fd < 0 || pread(fd, &ehdr, sizeof(ehdr), 0) != sizeof(ehdr) || ehdr.e_phnum > PHDRS)
		err(125, "%s", path);
	if (pread(fd, phdrs, ehdr.e_phnum * sizeof(*phdrs), ehdr.e_phoff) < 0)
		err(125, "%s", path);
	if (ehdr.e_type == ET_DYN)
		image.bias = reserve(phdrs, ehdr.e_phnum);
	for (size_t i = 0; i < ehdr.e_phnum; i++) {
		if (phdrs[i].p_type != PT_LOAD)
			continue;
		map_segment(fd, image.bias, &phdrs[i]);
		if (phdrs[i].p_offset == 0)
			image.phdr = image.bias + phdrs[i].p_vaddr + ehdr.e_phoff;
	}
	close(fd);
	image.entry = image.bias + ehdr.e_entry;
	image.phnum = ehdr.e_phnum;
	return image;
}

static uint64_t *push_pair(uint64_t *word, uint64_t type, uint64_t value)
{
	word[0] = type;
	word[1] = value;
	return word + 2;
}

/* argc, argv, environment and auxiliary vector, as the ABI wants them. */
static uint64_t *build_stack(char **argv, char **envp, struct image program, uintptr_t base)
{
	static const unsigned long kept[] = { AT_HWCAP, AT_HWCAP2, AT_CLKTCK, AT_UID,	 AT_EUID,   AT_GID,
					      AT_EGID,	AT_SECURE, AT_PLATFORM, AT_RANDOM, AT_EXECFN, AT_SYSINFO_EHDR };
	size_t bytes = 8 << 20;
	uint64_t *word = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t *stack;

	if (word == MAP_FAILED)
		err(125, "stack");
	stack = word = (uint64_t *)((char *)word + bytes - (64 << 10));
	for (word++; *argv; argv++, (*stack)++)
		*word++ = (uint64_t)*argv;
	*word++ = 0;
	for (; *envp; envp++)
		*word++ = (uint64_t)*envp;
	*word++ = 0;
	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		if (getauxval(kept[i]))
			word = push_pair(word, kept[i], getauxval(kept[i]));
	word = push_pair(word, AT_PAGESZ, PAGE);
	word = push_pair(word, AT_PHDR, program.phdr);
	word = push_pair(word, AT_PHENT, sizeof(Elf64_Phdr));
	word = push_pair(word, AT_PHNUM, program.phnum);
	word = push_pair(word, AT_BASE, base);
	word = push_pair(word, AT_ENTRY, program.entry);
	word = push_pair(word, AT_LIBOS_SYSCALL, (uint64_t)fake_entry);
	push_pair(word, AT_NULL, 0);
	return stack;
}

static void map_counter(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	fake_counter = mmap(NULL, sizeof(*fake_counter), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd < 0 || fake_counter == MAP_FAILED)
		err(125, "%s", path);
	close(fd);
}

int main(int argc, char **argv, char **envp)
{
	struct image program, start;
	uint64_t *stack;

	if (argc < 4)
		errx(125, "usage: fakeexec COUNTER LOADER|- PROGRAM [ARGS...]");
	map_counter(argv[1]);
	program = start = load(argv[3]);
	if (strcmp(argv[2], "-"))
		start = load(argv[2]);
	stack = build_stack(argv + 3, envp, program, start.bias);
	/* The mark from which the test counts in strace's log. */
	if (access("/fakeexec-starts", F_OK) == 0)
		errx(125, "/fakeexec-starts exists");
	__asm__ volatile("mov %0, %%rsp\n\txor %%edx, %%edx\n\tjmp *%1"
			 :
			 : "r"(stack), "r"(start.entry)
			 : "rdx", "memory");
	__builtin_unreachable();
}
