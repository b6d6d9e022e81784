/* SPDX-License-Identifier: Apache-2.0 */
/* DPDK and the host's calls, for the targets that take in frames. */
#ifndef FUZZ_NET_HOST_H
#define FUZZ_NET_HOST_H

#include <rte_mbuf.h>

#include "input.h"

/* What rt_control_recvmsg() reads from; hostcall_write() and the like only count. */
extern struct input *net_socket;
extern unsigned int net_fds;		/* descriptors that come with a message */

/* A pool of buffers, made once. */
struct rte_mempool *net_pool(void);

/* All of them are back. */
void net_check_pool(void);

#endif /* FUZZ_NET_HOST_H */
