// SPDX-License-Identifier: GPL-2.0-only
/* Netlink for PID 1: requests built in a buffer, and the kernel's answers. */
#include "init_netlink.h"
#include "init.h"
#include "init_sys.h"

#include <asm/errno.h>
#include <linux/fcntl.h>

int netlink_open(int protocol)
{
	/* SOCK_RAW | SOCK_CLOEXEC */
	int fd = sys3(__NR_socket, FAMILY_NETLINK, 3 | O_CLOEXEC, protocol);

	if (fd < 0)
		fail("the library OS has no netlink; rebuild with make");
	return fd;
}

void *message_begin(struct message *m, int type, int flags, size_t body)
{
	memset(m, 0, sizeof(*m));
	m->header.nlmsg_type = type;
	m->header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	m->header.nlmsg_len = NLMSG_LENGTH(body);
	return m->payload;
}

void message_add(struct message *m, int type, const void *data, size_t len)
{
	struct rtattr *attr = (void *)((char *)m + NLMSG_ALIGN(m->header.nlmsg_len));

	if (NLMSG_ALIGN(m->header.nlmsg_len) + RTA_SPACE(len) > sizeof(*m))
		fail("a network setting of the launch record is too long");
	attr->rta_type = type;
	attr->rta_len = RTA_LENGTH(len);
	memcpy(RTA_DATA(attr), data, len);
	m->header.nlmsg_len = NLMSG_ALIGN(m->header.nlmsg_len) + RTA_SPACE(len);
}

void message_add_text(struct message *m, int type, const char *text)
{
	message_add(m, type, text, text_len(text) + 1);
}

void message_add_u32(struct message *m, int type, unsigned int value)
{
	message_add(m, type, &value, sizeof(value));
}

struct rtattr *message_nest(struct message *m, int type)
{
	struct rtattr *nest = (void *)((char *)m + NLMSG_ALIGN(m->header.nlmsg_len));

	message_add(m, type | NLA_F_NESTED, NULL, 0);
	return nest;
}

void message_nest_end(struct message *m, struct rtattr *nest)
{
	nest->rta_len = (char *)m + m->header.nlmsg_len - (char *)nest;
}

/* The answer to the request of number @sequence, whatever its type. */
static int receive(int fd, struct message *ret, unsigned int sequence)
{
	long n;

	do {
		n = sys_read(fd, ret, sizeof(*ret));
		if (n < 0)
			return n;
	} while (ret->header.nlmsg_seq != sequence);
	return 0;
}

static int error_of(const struct message *m)
{
	const struct nlmsgerr *error = (const void *)m->payload;

	return m->header.nlmsg_type == NLMSG_ERROR ? error->error : 0;
}

static int send(int fd, struct message *m)
{
	static unsigned int sequence;
	long n;

	m->header.nlmsg_seq = ++sequence;
	n = sys_write(fd, m, m->header.nlmsg_len);
	return n < 0 ? n : 0;
}

int message_send(int fd, struct message *m)
{
	struct message answer;
	int err = send(fd, m);

	if (err)
		return err;
	do {
		err = receive(fd, &answer, m->header.nlmsg_seq);
		if (err)
			return err;
	} while (answer.header.nlmsg_type != NLMSG_ERROR);
	return error_of(&answer);
}

int message_ask(int fd, struct message *m)
{
	int err;

	m->header.nlmsg_flags &= ~NLM_F_ACK;
	err = send(fd, m);
	if (!err)
		err = receive(fd, m, m->header.nlmsg_seq);
	return err ?: error_of(m);
}
