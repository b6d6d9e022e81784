// SPDX-License-Identifier: Apache-2.0
/* Writers and readers of one queue: every item arrives, once, and a writer's in their order. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "queue.h"

enum { WRITERS = 3, READERS = 3, ITEMS = 20000 };

static struct queue queue;
static unsigned char seen[WRITERS][ITEMS];
static int received;

static void fail(const char *what)
{
	puts(what);
	exit(1);
}

static void *write_all(void *number)
{
	uintptr_t base = (uintptr_t)number * ITEMS;

	for (uintptr_t i = 0; i < ITEMS; i++)
		while (!queue_push(&queue, (void *)(base + i + 1)))
			sched_yield();
	return NULL;
}

static void *read_some(void *unused)
{
	uintptr_t last[WRITERS] = { 0 };

	(void)unused;
	while (__atomic_load_n(&received, __ATOMIC_RELAXED) < WRITERS * ITEMS) {
		uintptr_t item = (uintptr_t)queue_pop(&queue), writer;

		if (!item) {
			sched_yield();
			continue;
		}
		__atomic_fetch_add(&received, 1, __ATOMIC_RELAXED);
		writer = (item - 1) / ITEMS;
		if (item <= last[writer])
			fail("out of order");
		last[writer] = item;
		if (__atomic_fetch_add(&seen[writer][(item - 1) % ITEMS], 1, __ATOMIC_RELAXED))
			fail("twice");
	}
	return NULL;
}

static void check_bounds(void)
{
	int n = 0;

	if (queue_pop(&queue))
		fail("not empty at first");
	while (queue_push(&queue, &queue))
		n++;
	if (n != QUEUE_PLACES)
		fail("another size");
	while (queue_pop(&queue))
		n--;
	if (n)
		fail("something lost");
}

int main(void)
{
	pthread_t threads[WRITERS + READERS];

	queue_init(&queue);
	check_bounds();
	for (uintptr_t i = 0; i < WRITERS; i++)
		pthread_create(&threads[i], NULL, write_all, (void *)i);
	for (int i = 0; i < READERS; i++)
		pthread_create(&threads[WRITERS + i], NULL, read_some, NULL);
	for (int i = 0; i < WRITERS + READERS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < WRITERS * ITEMS; i++)
		if (seen[i / ITEMS][i % ITEMS] != 1)
			fail("lost");
	puts("good");
	return 0;
}
