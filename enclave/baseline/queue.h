/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A bounded queue of pointers between any number of threads, without locks: a
 * place's turn says whose it is. Turn n*PLACES + i: the n-th write to place i
 * may happen; one more: the n-th read may.
 */
#ifndef BASELINE_QUEUE_H
#define BASELINE_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

enum { QUEUE_PLACES = 256 };

struct queue {
	uint64_t head __attribute__((aligned(64)));	/* next to read */
	uint64_t tail __attribute__((aligned(64)));	/* next to write */
	struct {
		uint64_t turn;
		void *item;
	} place[QUEUE_PLACES] __attribute__((aligned(64)));
};

static inline void queue_init(struct queue *queue)
{
	queue->head = queue->tail = 0;
	for (uint64_t i = 0; i < QUEUE_PLACES; i++)
		queue->place[i].turn = i;
}

/* False when the queue is full. */
static inline bool queue_push(struct queue *queue, void *item)
{
	uint64_t tail = __atomic_load_n(&queue->tail, __ATOMIC_RELAXED);

	for (;;) {
		uint64_t *turn = &queue->place[tail % QUEUE_PLACES].turn;
		int64_t ahead = (int64_t)(__atomic_load_n(turn, __ATOMIC_ACQUIRE) - tail);

		if (ahead < 0)
			return false;
		if (ahead > 0) {
			tail = __atomic_load_n(&queue->tail, __ATOMIC_RELAXED);
			continue;
		}
		if (!__atomic_compare_exchange_n(&queue->tail, &tail, tail + 1, true,
						 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			continue;
		queue->place[tail % QUEUE_PLACES].item = item;
		__atomic_store_n(turn, tail + 1, __ATOMIC_RELEASE);
		return true;
	}
}

/* NULL when the queue is empty. */
static inline void *queue_pop(struct queue *queue)
{
	uint64_t head = __atomic_load_n(&queue->head, __ATOMIC_RELAXED);

	for (;;) {
		uint64_t *turn = &queue->place[head % QUEUE_PLACES].turn;
		int64_t ahead = (int64_t)(__atomic_load_n(turn, __ATOMIC_ACQUIRE) - (head + 1));
		void *item;

		if (ahead < 0)
			return 0;
		if (ahead > 0) {
			head = __atomic_load_n(&queue->head, __ATOMIC_RELAXED);
			continue;
		}
		if (!__atomic_compare_exchange_n(&queue->head, &head, head + 1, true,
						 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			continue;
		item = queue->place[head % QUEUE_PLACES].item;
		__atomic_store_n(turn, head + QUEUE_PLACES, __ATOMIC_RELEASE);
		return item;
	}
}

#endif /* BASELINE_QUEUE_H */
