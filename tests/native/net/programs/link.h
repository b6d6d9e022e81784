/* SPDX-License-Identifier: Apache-2.0 */
/* The port under test, as the kernel sees it, on a tap of a fresh network namespace. */
#ifndef LINK_H
#define LINK_H

#include <stdbool.h>

#include "wire.h"

/* Stop the test: it failed, or the machine did. */
#define link_fail(...) link_fail_at(__FILE__, __LINE__, __VA_ARGS__)
#define link_check(condition) \
	do { \
		if (!(condition)) \
			link_fail("%s", #condition); \
	} while (0)
_Noreturn void link_fail_at(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A namespace with tap "t0" and our neighbour entries; then the port itself. */
void link_up(void);

/* Send @headers and then @payload, cut into @pieces segments, as one frame. */
void link_send(const uint8_t *headers, size_t headers_len, const void *payload,
	       size_t payload_len, unsigned int pieces,
	       const struct rt_net_offload *offload);
/* The same, kept until link_flush(), which makes one crossing. */
void link_queue(const uint8_t *headers, size_t headers_len, const void *payload,
		size_t payload_len, unsigned int pieces,
		const struct rt_net_offload *offload);
unsigned int link_flush(void);

/* The next frame, waited for up to a second; false when none came. */
bool link_receive(struct wire_frame *ret);
/* The next frame of @flow; fails the test when none comes. */
void link_receive_of(const struct wire_flow *flow, uint8_t protocol,
		     struct wire_frame *ret);
/* One crossing: the number of frames that it brought (which are dropped). */
unsigned int link_poll(void);

/* What the stubs of the host calls are to do before they work again. */
extern unsigned int link_writes_refused;	/* with EAGAIN, that many */
extern const void *link_read_instead;		/* one read gives this ... */
extern long link_read_instead_len;		/* ... many bytes */
extern unsigned int link_crossings;

/* What rt_net_start() took: time, and resident memory. */
extern double link_start_ms;
extern size_t link_start_kib;

#endif /* LINK_H */
