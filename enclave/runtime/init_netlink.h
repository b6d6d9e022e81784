/* SPDX-License-Identifier: GPL-2.0-only */
/* Netlink for PID 1: requests built in a buffer, and the kernel's answers. */
#ifndef INIT_NETLINK_H
#define INIT_NETLINK_H

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>

/* socket(2); linux/net.h has only the types. */
enum { FAMILY_IPV4 = 2, FAMILY_IPV6 = 10, FAMILY_NETLINK = 16 };

/* One request: header, the body of its type, attributes. */
struct message {
	struct nlmsghdr header;
	unsigned char payload[4080];
};

/* A socket of @protocol; fails when the library OS has none. */
int netlink_open(int protocol);

/* Start a request; returns its body of @body bytes, zeroed. */
void *message_begin(struct message *m, int type, int flags, size_t body);
void message_add(struct message *m, int type, const void *data, size_t len);
void message_add_text(struct message *m, int type, const char *text);
void message_add_u32(struct message *m, int type, unsigned int value);
/* Attributes that are added until message_nest_end() lie inside this one. */
struct rtattr *message_nest(struct message *m, int type);
void message_nest_end(struct message *m, struct rtattr *nest);

/* Send, and return the kernel's answer, 0 or -errno. */
int message_send(int fd, struct message *m);
/* The same for a request that is answered by a message; it is put into @m. */
int message_ask(int fd, struct message *m);

#endif /* INIT_NETLINK_H */
