/* SPDX-License-Identifier: GPL-2.0-only */
/* Interfaces of the library OS: what eth0 and WireGuard's have in common. */
#ifndef INIT_NET_H
#define INIT_NET_H

#include <stdbool.h>

struct address;

/* The interface's index, or -errno. */
int net_index(int netlink, const char *name);
/* @mtu 0 leaves it; -errno. */
int net_link_up(int netlink, int index, unsigned int mtu);
int net_add_address(int netlink, int index, const struct address *a,
		    unsigned int prefix);
/* Give interface @name every address that the record has under @key. */
void net_set_addresses(int netlink, int index, const char *name, const char *key);
/* AF_INET or AF_INET6. */
unsigned char net_family(const struct address *a);
/* ADDRESS/PREFIX */
bool net_parse(const char *text, struct address *ret, unsigned int *ret_prefix);

#endif /* INIT_NET_H */
