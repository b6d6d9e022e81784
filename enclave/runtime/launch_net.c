// SPDX-License-Identifier: GPL-2.0-only
/* The launch record's keys that tune the network device: its queues, and what it does without. */
#include <fcntl.h>
#include <string.h>

#include "launch.h"
#include "launch_value.h"

int rt_launch_net_queue(struct rt_launch_check *p, const char *value)
{
	struct rt_launch_net *net = &p->launch->net;
	uint64_t fd;

	if (!rt_launch_number(value, &fd) || fd < 3 || fd > INT32_MAX || fcntl((int)fd, F_GETFD) < 0)
		return rt_launch_refuse(p, "'%.64s' is not an open descriptor above 2", value);
	if (net->more_fds == LAUNCH_NET_QUEUES_MAX - 1)
		return rt_launch_refuse(p, "more than %d queues", LAUNCH_NET_QUEUES_MAX);
	net->more_fd[net->more_fds++] = (int)fd;
	return 0;
}

int rt_launch_net_without(struct rt_launch_check *p, const char *value)
{
	static const struct {
		const char *name;
		enum rt_net_without bit;
	} words[] = {
		{ "csum", RT_NET_WITHOUT_CSUM },
		{ "tso", RT_NET_WITHOUT_TSO },
		{ "lro", RT_NET_WITHOUT_LRO },
		{ "gso", RT_NET_WITHOUT_GSO },
		{ "gro", RT_NET_WITHOUT_GRO },
		{ "zerocopy", RT_NET_WITHOUT_ZEROCOPY },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(value, words[i].name))
			continue;
		p->launch->net.without |= words[i].bit;
		return 0;
	}
	return rt_launch_refuse(p, "'%.64s' is none of csum, tso, lro, gso, gro, zerocopy", value);
}
