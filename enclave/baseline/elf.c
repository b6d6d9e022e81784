// SPDX-License-Identifier: GPL-2.0-only
/* Maps a program and the loader that it asks for, as the host's exec would. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "program.h"

enum { HEADERS_MAX = 32, PAGE = 4096 };

struct file {
	int fd;
	Elf64_Ehdr elf;
	Elf64_Phdr headers[HEADERS_MAX];
};

static unsigned long down(unsigned long address)
{
	return address & ~(PAGE - 1UL);
}

static unsigned long up(unsigned long address)
{
	return down(address + PAGE - 1);
}

static long open_elf(const char *path, struct file *file)
{
	long n;

	file->fd = call3(SYS_open, path, O_RDONLY | O_CLOEXEC, 0);
	if (file->fd < 0)
		return file->fd;
	n = call4(SYS_pread64, file->fd, &file->elf, sizeof(file->elf), 0);
	if (n != sizeof(file->elf) || memcmp(file->elf.e_ident, ELFMAG, SELFMAG) ||
	    file->elf.e_machine != EM_X86_64 || file->elf.e_phentsize != sizeof(Elf64_Phdr) ||
	    file->elf.e_phnum > HEADERS_MAX)
		return -ENOEXEC;
	n = file->elf.e_phnum * sizeof(Elf64_Phdr);
	if (call4(SYS_pread64, file->fd, file->headers, n, file->elf.e_phoff) != n)
		return -ENOEXEC;
	return 0;
}

/* Room for all segments in one piece, so that they keep their distances. */
static long reserve(const struct file *file, unsigned long *ret_base)
{
	unsigned long low = -1UL, high = 0;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	long at;

	for (int i = 0; i < file->elf.e_phnum; i++) {
		const Elf64_Phdr *h = &file->headers[i];

		if (h->p_type != PT_LOAD)
			continue;
		low = down(h->p_vaddr) < low ? down(h->p_vaddr) : low;
		high = up(h->p_vaddr + h->p_memsz) > high ? up(h->p_vaddr + h->p_memsz) : high;
	}
	if (high <= low)
		return -ENOEXEC;
	if (file->elf.e_type == ET_EXEC)
		flags |= MAP_FIXED_NOREPLACE;
	at = call6(SYS_mmap, file->elf.e_type == ET_EXEC ? low : 0, high - low, PROT_NONE, flags, -1, 0);
	if (failed(at))
		return at;
	*ret_base = at - low;
	return 0;
}

static int protection(uint32_t flags)
{
	return (flags & PF_R ? PROT_READ : 0) | (flags & PF_W ? PROT_WRITE : 0) |
	       (flags & PF_X ? PROT_EXEC : 0);
}

static long map_zeroes(const Elf64_Phdr *h, unsigned long base)
{
	unsigned long file_end = base + h->p_vaddr + h->p_filesz;
	unsigned long end = base + h->p_vaddr + h->p_memsz;

	/* To the end of the page: ld.so allocates from there. */
	if (h->p_flags & PF_W)
		memset((void *)file_end, 0, up(file_end) - file_end);
	if (up(file_end) >= end)
		return 0;
	end = call6(SYS_mmap, up(file_end), up(end) - up(file_end), protection(h->p_flags),
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	return failed(end) ? (long)end : 0;
}

static long map_segment(const struct file *file, const Elf64_Phdr *h, unsigned long base)
{
	unsigned long start = down(base + h->p_vaddr), before = (base + h->p_vaddr) - start;
	unsigned long bytes = up(h->p_filesz + before);
	long at;

	if (h->p_filesz) {
		at = call6(SYS_mmap, start, bytes, protection(h->p_flags), MAP_PRIVATE | MAP_FIXED,
			   file->fd, h->p_offset - before);
		if (failed(at))
			return at;
		if ((h->p_flags & PF_X) && !(h->p_flags & PF_W))
			rewrite_mapping(start, bytes, file->fd, h->p_offset - before);
	}
	return map_zeroes(h, base);
}

static void locate_headers(const struct file *file, struct elf_image *image)
{
	image->headers = image->base + file->elf.e_phoff;
	image->header_count = file->elf.e_phnum;
	for (int i = 0; i < file->elf.e_phnum; i++) {
		const Elf64_Phdr *h = &file->headers[i];

		if (h->p_type == PT_LOAD && file->elf.e_phoff >= h->p_offset &&
		    file->elf.e_phoff < h->p_offset + h->p_filesz)
			image->headers = image->base + h->p_vaddr + file->elf.e_phoff - h->p_offset;
	}
}

static long load(const char *path, struct elf_image *image, char *loader_path, size_t room)
{
	struct file file;
	long err = open_elf(path, &file);

	if (!err)
		err = reserve(&file, &image->base);
	for (int i = 0; !err && i < file.elf.e_phnum; i++) {
		const Elf64_Phdr *h = &file.headers[i];

		if (h->p_type == PT_LOAD)
			err = map_segment(&file, h, image->base);
		else if (h->p_type == PT_INTERP && loader_path && h->p_filesz <= room)
			call4(SYS_pread64, file.fd, loader_path, h->p_filesz, h->p_offset);
	}
	if (file.fd >= 0)
		call1(SYS_close, file.fd);
	if (err)
		return err;
	image->entry = image->base + file.elf.e_entry;
	locate_headers(&file, image);
	return 0;
}

long elf_load(const char *path, struct elf_image *program, struct elf_image *loader)
{
	char loader_path[256] = "";
	long err = load(path, program, loader_path, sizeof(loader_path));

	loader->base = 0;
	loader->entry = program->entry;
	if (err || !*loader_path)
		return err;
	return load(loader_path, loader, NULL, 0);
}
