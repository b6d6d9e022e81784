// SPDX-License-Identifier: Apache-2.0
/* Random walks of mmap, munmap, mprotect, madvise and fork, each checked against a model. */
#include "pages.h"
#include <pthread.h>

/* A model of memory beside the memory; random operations; compare all the time. */
enum { ARENA = 1024 };	/* pages */
static unsigned char *arena, model[ARENA];
enum { UNMAPPED = 0xff };

static unsigned int random_state = 12345;

static unsigned int roll(unsigned int below)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % below;
}

static void compare(void)
{
	for (unsigned long i = 0; i < ARENA; i++)
		if (model[i] != UNMAPPED && (arena[i * PAGE] != model[i] || arena[i * PAGE + 4095] != model[i])) {
			printf("  page %lu: %u %u, not %u\n", i, arena[i * PAGE], arena[i * PAGE + 4095], model[i]);
			fflush(stdout);
			_exit(1);
		}
}

static void random_step(void)
{
	unsigned int from = roll(ARENA), pages = 1 + roll(roll(8) ? 16 : 200), value = 1 + roll(200);
	unsigned char *at = arena + from * PAGE;
	static const int again = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;

	if (from + pages > ARENA)
		pages = ARENA - from;
	switch (roll(7)) {
	case 0:
		CHECK(!munmap(at, pages * PAGE));
		memset(model + from, UNMAPPED, pages);
		break;
	case 1:
		CHECK(mmap(at, pages * PAGE, PROT_READ | PROT_WRITE, again, -1, 0) == at);
		memset(model + from, 0, pages);
		break;
	case 2:
		for (unsigned int i = from; i < from + pages; i++) {
			if (model[i] == UNMAPPED)
				continue;
			CHECK(!madvise(arena + i * PAGE, PAGE, MADV_DONTNEED));
			model[i] = 0;
		}
		break;
	case 3:
		for (unsigned int i = from; i < from + pages; i++)
			if (model[i] != UNMAPPED)
				CHECK(!mprotect(arena + i * PAGE, PAGE, PROT_READ) &&
				      !mprotect(arena + i * PAGE, PAGE, PROT_READ | PROT_WRITE));
		break;
	default:
		for (unsigned int i = from; i < from + pages; i++) {
			if (model[i] == UNMAPPED)
				continue;
			memset(arena + i * PAGE, (int)value, PAGE);
			model[i] = (unsigned char)value;
		}
	}
}

static void random_walk(int steps, int forks)
{
	for (int i = 0; i < steps; i++) {
		random_step();
		if (i % 16 == 0)
			compare();
		if (forks && i % 40 == 17) {
			pid_t pid = fork();

			if (!pid) {
				random_state += 77;
				random_walk(30, forks - 1);
				compare();
				_exit(0);
			}
			if (i & 1)
				CHECK_EQUAL(status_of(pid), 0);
		}
	}
	while (forks) {
		int status;

		if (wait(&status) < 0)
			break;
		CHECK_EQUAL(status, 0);
	}
	compare();
}

static void start_walk(unsigned int seed)
{
	arena = anonymous(ARENA * PAGE, PROT_READ | PROT_WRITE);
	memset(model, 0, sizeof(model));
	random_state = seed;
}

static void random_walks_match_their_model(void)
{
	for (unsigned int seed = 1; seed <= 4; seed++) {
		start_walk(seed);
		random_walk(400, 0);
	}
}

static void random_walks_with_forks_match_their_model(void)
{
	start_walk(99);
	random_walk(300, 2);
}

static void *walker(void *at)
{
	unsigned char *own = at;

	for (unsigned int i = 0; i < 60; i++) {
		fill(own, 128, i);
		verify(own, 128, i);
		CHECK(!madvise(own, 64 * PAGE, MADV_DONTNEED));
		CHECK(!mprotect(own + 64 * PAGE, 32 * PAGE, PROT_READ));
		verify(own + 64 * PAGE, 64, i + 64 * 7);
		CHECK(!mprotect(own + 64 * PAGE, 32 * PAGE, PROT_READ | PROT_WRITE));
		CHECK(own[63 * PAGE] == 0);
	}
	return NULL;
}

static void threads_walk_side_by_side_while_forking(void)
{
	unsigned char *at = anonymous(8 * 128 * PAGE, PROT_READ | PROT_WRITE);
	pthread_t threads[8];

	for (int i = 0; i < 8; i++)
		CHECK(!pthread_create(&threads[i], NULL, walker, at + i * 128 * PAGE));
	for (int i = 0; i < 10; i++) {
		if (!fork()) {
			for (unsigned long j = 0; j < 1024; j += 3)
				if (j % 128 < 64)	/* the others may be read-only now */
					at[j * PAGE + 1] = 0xee;
			_exit(0);
		}
		CHECK_EQUAL(status_of(-1), 0);
	}
	for (int i = 0; i < 8; i++)
		CHECK(!pthread_join(threads[i], NULL));
}

CASES(CASE(random_walks_match_their_model),
      CASE(random_walks_with_forks_match_their_model),
      CASE(threads_walk_side_by_side_while_forking))
