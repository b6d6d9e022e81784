// SPDX-License-Identifier: Apache-2.0
/* fork's copies, shared mappings, mremap, mprotect and madvise keep every byte right. */
#include "pages.h"
#include <fcntl.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/stat.h>

static void parent_and_child_have_their_own_copies(void)
{
	enum { PAGES = 4096 };
	unsigned char *at = anonymous(PAGES * PAGE, PROT_READ | PROT_WRITE);
	int to_child[2], to_parent[2];
	char c;

	CHECK(!pipe(to_child) && !pipe(to_parent));
	fill(at, PAGES, 1);
	if (!fork()) {
		verify(at, PAGES, 1);
		fill(at, PAGES / 2, 2);
		CHECK(write(to_parent[1], "x", 1) == 1 && read(to_child[0], &c, 1) == 1);
		verify(at, PAGES / 2, 2);
		verify(at + PAGES / 2 * PAGE, PAGES / 2, 1 + PAGES / 2 * 7);
		_exit(0);
	}
	CHECK(read(to_parent[0], &c, 1) == 1);
	verify(at, PAGES, 1);
	fill(at, PAGES, 3);
	CHECK(write(to_child[1], "x", 1) == 1);
	verify(at, PAGES, 3);
	CHECK_EQUAL(status_of(-1), 0);
	verify(at, PAGES, 3);
}

/* They take turns page by page, so that the slot changes hands all the time. */
static void alternating_writes_stay_apart(void)
{
	enum { PAGES = 512 };
	unsigned char *at = anonymous(PAGES * PAGE, PROT_READ | PROT_WRITE);
	int down[2], up[2];
	char c = 0;

	CHECK(!pipe(down) && !pipe(up));
	fill(at, PAGES, 9);
	if (!fork()) {
		for (unsigned long i = 0; i < PAGES; i++) {
			CHECK(read(down[0], &c, 1) == 1);
			CHECK_EQUAL(at[i * PAGE + 5], (unsigned char)(9 + i * 7));
			at[i * PAGE + 5] = 0xcc;
			CHECK(write(up[1], &c, 1) == 1);
		}
		for (unsigned long i = 0; i < PAGES; i++)
			CHECK_EQUAL(at[i * PAGE + 5], 0xcc);
		_exit(0);
	}
	for (unsigned long i = 0; i < PAGES; i++) {
		if (i & 1)
			at[i * PAGE + 5] = 0xdd;
		CHECK(write(down[1], &c, 1) == 1 && read(up[0], &c, 1) == 1);
		CHECK_EQUAL(at[i * PAGE + 5], i & 1 ? 0xdd : (unsigned char)(9 + i * 7));
	}
	CHECK_EQUAL(status_of(-1), 0);
}

/* Copies of copies, each writing to its own, three generations deep. */
static void generation(unsigned char *at, unsigned long pages, unsigned int tag, int depth)
{
	pid_t pids[3];

	if (!depth)
		return;
	for (unsigned int i = 0; i < 3; i++) {
		pids[i] = fork();
		if (!pids[i]) {
			verify(at, pages, tag);
			fill(at, pages, tag + i + 1);
			generation(at, pages, tag + i + 1, depth - 1);
			verify(at, pages, tag + i + 1);
			_exit(0);
		}
	}
	for (int i = 0; i < 3; i++)
		CHECK_EQUAL(status_of(pids[i]), 0);
	verify(at, pages, tag);
}

static void three_generations(void)
{
	unsigned char *at = anonymous(600 * PAGE, PROT_READ | PROT_WRITE);

	fill(at, 600, 4);
	generation(at, 600, 4, 3);
}

static void shared_anonymous_memory_is_one(void)
{
	volatile int *at = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	for (int round = 0; round < 3; round++) {
		memset((void *)at, 0, 64 * PAGE);
		if (!fork()) {
			for (int i = 0; i < 64; i++) {
				while (at[i * 1024] != i + 1)
					sched_yield();
				at[i * 1024 + 1] = i + 1000;
			}
			_exit(0);
		}
		for (int i = 0; i < 64; i++) {
			at[i * 1024] = i + 1;
			while (at[i * 1024 + 1] != i + 1000)
				sched_yield();
		}
		CHECK_EQUAL(status_of(-1), 0);
	}
}

static void a_semaphore_between_processes(void)
{
	struct { sem_t a, b; long sum; } *s = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
						   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	sem_init(&s->a, 1, 0);
	sem_init(&s->b, 1, 0);
	if (!fork()) {
		for (int i = 0; i < 2000; i++) {
			sem_wait(&s->a);
			s->sum += i;
			sem_post(&s->b);
		}
		_exit(0);
	}
	for (int i = 0; i < 2000; i++) {
		sem_post(&s->a);
		sem_wait(&s->b);
	}
	CHECK_EQUAL(status_of(-1), 0);
	CHECK_EQUAL(s->sum, 1999000);
}

static int new_file(const char *name, unsigned long pages)
{
	int fd;
	char path[64];

	snprintf(path, sizeof(path), "/tmp/%s.%d", name, getpid());
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	CHECK(fd >= 0 && !ftruncate(fd, (off_t)(pages * PAGE)));
	unlink(path);
	return fd;
}

static void a_mapped_file_and_its_reads_agree(void)
{
	enum { PAGES = 64 };
	int fd = new_file("coherent", PAGES);
	unsigned char *one = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	unsigned char *two = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	unsigned char *own = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	unsigned char page[PAGE];

	for (unsigned long i = 0; i < PAGES; i++) {
		one[i * PAGE + i] = (unsigned char)(i + 1);
		CHECK_EQUAL(two[i * PAGE + i], i + 1);
		CHECK_EQUAL(own[i * PAGE + i], i + 1);
		CHECK_EQUAL(pread(fd, page, PAGE, (off_t)(i * PAGE)), PAGE);
		CHECK_EQUAL(page[i], i + 1);
		page[i] = 0x99;
		CHECK_EQUAL(pwrite(fd, page, PAGE, (off_t)(i * PAGE)), PAGE);
		CHECK_EQUAL(one[i * PAGE + i], 0x99);
		CHECK_EQUAL(two[i * PAGE + i], 0x99);
		own[i * PAGE + i] = 0x11;
		CHECK_EQUAL(one[i * PAGE + i], 0x99);
		if (i == PAGES / 2)
			CHECK(!msync(one, PAGES * PAGE, MS_SYNC));
	}
	if (!fork()) {
		two[7] = 0x42;
		CHECK_EQUAL(own[PAGE + 1], 0x11);
		own[PAGE + 1] = 0x12;
		_exit(0);
	}
	CHECK_EQUAL(status_of(-1), 0);
	CHECK_EQUAL(one[7], 0x42);
	CHECK_EQUAL(own[PAGE + 1], 0x11);
}

static void a_truncated_file_grows_zeros(void)
{
	int fd = new_file("zeros", 8);
	unsigned char *at = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	memset(at, 0xff, 8 * PAGE);
	CHECK(!ftruncate(fd, 2 * PAGE + 100));
	CHECK(!ftruncate(fd, 8 * PAGE));
	for (unsigned long i = 0; i < 8 * PAGE; i++)
		CHECK_EQUAL(at[i], i < 2 * PAGE + 100 ? 0xff : 0);
}

static void mremap_moves_and_grows(void)
{
	unsigned char *at = anonymous(16 * PAGE, PROT_READ | PROT_WRITE), *moved, *target;

	fill(at, 16, 3);
	for (unsigned long pages = 16; pages < 4096; pages *= 2) {
		moved = mremap(at, pages * PAGE, 2 * pages * PAGE, MREMAP_MAYMOVE);
		CHECK(moved != MAP_FAILED);
		at = moved;
		verify(at, pages, 3);
		CHECK_EQUAL(at[2 * pages * PAGE - 1], 0);
		fill(at, 2 * pages, 3);
	}
	target = anonymous(64 * PAGE, PROT_READ | PROT_WRITE);
	memset(target, 1, 64 * PAGE);
	moved = mremap(at, 32 * PAGE, 32 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target + 8 * PAGE);
	CHECK(moved == target + 8 * PAGE);
	verify(moved, 32, 3);
	CHECK(target[8 * PAGE - 1] == 1 && target[40 * PAGE] == 1);
	at = mremap(moved, 32 * PAGE, 4 * PAGE, 0);
	CHECK(at == moved);
	verify(at, 4, 3);
	moved = mremap(at, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	CHECK(moved != MAP_FAILED && moved != at);
	verify(moved, 4, 3);
	CHECK_EQUAL(at[100], 0);
}

static void dontneed_gives_zeros_or_the_file(void)
{
	int fd = new_file("dontneed", 512);
	unsigned char *at = anonymous(2048 * PAGE, PROT_READ | PROT_WRITE), *file;

	fill(at, 2048, 1);
	for (unsigned long i = 0; i < 2048; i += 2)
		CHECK(!madvise(at + i * PAGE, PAGE, MADV_DONTNEED));
	for (unsigned long i = 0; i < 2048; i++)
		CHECK_EQUAL(at[i * PAGE + 9], i & 1 ? (unsigned char)(1 + i * 7) : 0);
	CHECK(!madvise(at, 2048 * PAGE, MADV_DONTNEED));
	for (unsigned long i = 0; i < 2048; i++)
		CHECK_EQUAL(at[i * PAGE + 9], 0);
	file = mmap(NULL, 512 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	fill(file, 512, 5);
	CHECK(!madvise(file, 512 * PAGE, MADV_DONTNEED));
	CHECK_EQUAL(file[77], 0);
}

static void protections_change_back_and_forth(void)
{
	unsigned char *at = anonymous(1024 * PAGE, PROT_READ | PROT_WRITE);

	fill(at, 1024, 2);
	for (unsigned long step = 1; step <= 16; step *= 2) {
		for (unsigned long i = 0; i + step <= 1024; i += 2 * step)
			CHECK(!mprotect(at + i * PAGE, step * PAGE, PROT_NONE));
		for (unsigned long i = 0; i + step <= 1024; i += 2 * step)
			CHECK(!mprotect(at + i * PAGE, step * PAGE, PROT_READ));
		verify(at, 1024, 2);
		CHECK(!mprotect(at, 1024 * PAGE, PROT_READ | PROT_WRITE));
		fill(at, 1024, 2);
	}
}

static void a_huge_reservation_costs_nothing(void)
{
	unsigned long bytes = 8UL << 40;
	char *at = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	CHECK(at != MAP_FAILED);
	for (unsigned long i = 0; i < 8; i++) {
		CHECK(!mprotect(at + (i << 40), 2 * PAGE, PROT_READ | PROT_WRITE));
		at[(i << 40) + 5] = (char)i;
	}
	if (!fork()) {
		at[5] = 9;
		CHECK_EQUAL(at[(7UL << 40) + 5], 7);
		_exit(0);
	}
	CHECK_EQUAL(status_of(-1), 0);
	for (unsigned long i = 0; i < 8; i++)
		CHECK_EQUAL(at[(i << 40) + 5], i);
	CHECK(!munmap(at, bytes));
}

static void fixed_addresses_are_kept(void)
{
	static const unsigned long wanted[] = { 0x10000000, 0x300000000000, 0x555500000000, 0x2000000000 };

	for (int i = 0; i < 4; i++) {
		unsigned char *at = mmap((void *)wanted[i], 16 * PAGE, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

		CHECK(at == (void *)wanted[i]);
		fill(at, 16, 1);
	}
	if (!fork()) {
		for (int i = 0; i < 4; i++)
			fill((void *)wanted[i], 16, 2);
		_exit(0);
	}
	CHECK_EQUAL(status_of(-1), 0);
	for (int i = 0; i < 4; i++)
		verify((void *)wanted[i], 16, 1);
}

/* Every zero page is a mapping of the host, which allows 65530 of them. */
static void more_mappings_than_the_host_has(void)
{
	enum { PAGES = 70000 };
	unsigned char *at = anonymous(PAGES * PAGE, PROT_READ | PROT_WRITE);
	unsigned long sum = 0;

	CHECK(!madvise(at, PAGES * PAGE, MADV_NOHUGEPAGE));
	for (unsigned long i = 0; i < PAGES; i++)
		sum += at[i * PAGE + i % PAGE];
	CHECK_EQUAL(sum, 0);
	for (unsigned long i = 0; i < PAGES; i += 100)
		at[i * PAGE + i % PAGE] = 1;
	for (unsigned long i = 0; i < PAGES; i++)
		sum += at[i * PAGE + i % PAGE];
	CHECK_EQUAL(sum, PAGES / 100);
}

static void a_pipe_of_pages(void)
{
	enum { BYTES = 1 << 20 };
	unsigned char *from = anonymous(BYTES, PROT_READ | PROT_WRITE), *to;
	int fds[2];

	CHECK(!pipe(fds));
	for (unsigned long i = 0; i < BYTES; i++)
		from[i] = (unsigned char)(i * 31 >> 3);
	if (!fork()) {
		for (unsigned long sent = 0; sent < BYTES;) {
			ssize_t n = write(fds[1], from + sent, BYTES - sent);

			CHECK(n > 0);
			sent += (unsigned long)n;
		}
		_exit(0);
	}
	to = anonymous(BYTES, PROT_READ | PROT_WRITE);
	for (unsigned long got = 0; got < BYTES;) {
		ssize_t n = read(fds[0], to + got, BYTES - got);

		CHECK(n > 0);
		got += (unsigned long)n;
	}
	CHECK(!memcmp(from, to, BYTES));
	CHECK_EQUAL(status_of(-1), 0);
}

CASES(CASE(parent_and_child_have_their_own_copies), CASE(alternating_writes_stay_apart),
      CASE(three_generations), CASE(shared_anonymous_memory_is_one),
      CASE(a_semaphore_between_processes), CASE(a_mapped_file_and_its_reads_agree),
      CASE(a_truncated_file_grows_zeros), CASE(mremap_moves_and_grows),
      CASE(dontneed_gives_zeros_or_the_file), CASE(protections_change_back_and_forth),
      CASE(a_huge_reservation_costs_nothing),
      CASE(fixed_addresses_are_kept), CASE(more_mappings_than_the_host_has), CASE(a_pipe_of_pages))
