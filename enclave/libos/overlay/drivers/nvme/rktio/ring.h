/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One NVMe queue pair (NVM Express Base Specification 2.0, 3.3): submission
 * and completion ring in memory that the device can write to at any time, and
 * beside them a private record of what is in flight.
 *
 * Nothing here allocates, sleeps or logs, and nothing of the kernel is used
 * but its types, so that tests link it against a device that lies. The caller
 * serialises the calls on one ring.
 */
#ifndef RKTIO_NVME_RING_H
#define RKTIO_NVME_RING_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stdint.h>
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
#endif

enum {
	RING_ENTRIES_MIN = 4,
	RING_ENTRIES_MAX = 128,
	RING_SQE_BYTES = 64,
	RING_CQE_BYTES = 16,
};

/* Why a ring was stopped: what the device did that no device may do. */
enum ring_lie {
	RING_HONEST,
	RING_UNKNOWN_ID,	/* no such command in flight */
	RING_WRONG_QUEUE,	/* the completion names another queue */
	RING_WRONG_HEAD,	/* took commands that were not given */
};

struct ring_slot {
	void *owner;		/* NULL: free */
	u8 generation;		/* counts the uses of this slot */
	u8 next_free;
};

struct ring {
	u16 id;
	u16 entries;
	u16 sq_tail;
	u16 sq_head;		/* as last reported, and believed */
	u16 cq_head;
	u16 cq_phase;
	u16 in_flight;
	u8 first_free;
	enum ring_lie lie;
	u64 lie_value;
	volatile u8 *untrusted_sq;
	const volatile u32 *untrusted_cq;
	volatile u32 *sq_doorbell;
	volatile u32 *cq_doorbell;
	struct ring_slot slots[RING_ENTRIES_MAX];
};

/* A completion: private, checked, of a command that was in flight. */
struct ring_completion {
	void *owner;
	u64 result;
	u16 status;		/* as in the entry, phase bit and all */
};

/* What the controller's registers say it can do, once that makes sense. */
struct ring_limits {
	u16 entries;		/* of a queue, at most */
	u16 queues;		/* whose doorbells lie in the BAR, admin's too */
	u32 doorbell_bytes;	/* from one doorbell to the next */
};

/*
 * Read the capabilities (3.1.3.1) of a controller whose BAR has @bar_bytes.
 * NULL, or what is wrong with them.
 */
const char *ring_limits_read(u64 untrusted_cap, u64 bar_bytes,
			     struct ring_limits *ret);

/* Start afresh: nothing in flight, both rings empty. */
void ring_reset(struct ring *ring, u16 id, u16 entries, void *sq, void *cq,
		volatile void *bar, const struct ring_limits *limits);

/*
 * Put a command of 64 bytes, whose id is chosen here, into the ring; @owner
 * comes back with its completion. Returns the id, or -1: ring full or stopped.
 */
int ring_submit(struct ring *ring, const void *command, void *owner);

/* Tell the device of what was submitted. */
void ring_ring(struct ring *ring);

/* Cheap, without a lock: might there be a completion? */
bool ring_pending(const struct ring *ring);

/*
 * Take one completion. False: there is none, or ring->lie says why the ring
 * is stopped now. Call ring_consumed() after the last one.
 */
bool ring_reap(struct ring *ring, struct ring_completion *ret);
void ring_consumed(struct ring *ring);

/* Take an owner whose command will not complete any more; NULL: none left. */
void *ring_forget(struct ring *ring);

const char *ring_lie_text(enum ring_lie lie);

#endif /* RKTIO_NVME_RING_H */
