// SPDX-License-Identifier: GPL-2.0-only
/* The network of the library OS by rtnetlink: lo, eth0, default routes. */
#include "init.h"
#include "init_sys.h"

#include <asm/errno.h>
#include <linux/fcntl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>

/* socket(2); linux/net.h has only the types. */
enum { FAMILY_IPV4 = 2, FAMILY_IPV6 = 10, FAMILY_NETLINK = 16 };

/* One request: header, the body of its type, attributes. */
struct message {
	struct nlmsghdr header;
	unsigned char payload[240];
};

struct net {
	int fd;
	unsigned int sequence;
};

static void *message_begin(struct message *m, int type, int flags, size_t body)
{
	memset(m, 0, sizeof(*m));
	m->header.nlmsg_type = type;
	m->header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	m->header.nlmsg_len = NLMSG_LENGTH(body);
	return m->payload;
}

static void message_add(struct message *m, int type, const void *data, size_t len)
{
	struct rtattr *attr = (void *)((char *)m + NLMSG_ALIGN(m->header.nlmsg_len));

	attr->rta_type = type;
	attr->rta_len = RTA_LENGTH(len);
	memcpy(RTA_DATA(attr), data, len);
	m->header.nlmsg_len = NLMSG_ALIGN(m->header.nlmsg_len) + RTA_ALIGN(attr->rta_len);
}

/* Send, and return the kernel's answer, 0 or -errno. */
static int message_send(struct net *net, struct message *m)
{
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		unsigned char rest[512];
	} answer;
	long n;

	m->header.nlmsg_seq = ++net->sequence;
	n = sys_write(net->fd, m, m->header.nlmsg_len);
	if (n < 0)
		return n;
	do {
		n = sys_read(net->fd, &answer, sizeof(answer));
		if (n < 0)
			return n;
	} while (answer.header.nlmsg_seq != net->sequence ||
		 answer.header.nlmsg_type != NLMSG_ERROR);
	return answer.error.error;
}

static int interface_index(struct net *net, const char *name)
{
	struct ifreq request = { 0 };
	int err;

	text_append(request.ifr_name, sizeof(request.ifr_name), name);
	err = sys_ioctl(net->fd, SIOCGIFINDEX, &request);
	return err ? err : request.ifr_ifindex;
}

static int link_up(struct net *net, int index, unsigned int mtu)
{
	struct message m;
	struct ifinfomsg *link;

	link = message_begin(&m, RTM_NEWLINK, 0, sizeof(*link));
	link->ifi_index = index;
	link->ifi_flags = IFF_UP;
	link->ifi_change = IFF_UP;
	if (mtu)
		message_add(&m, IFLA_MTU, &mtu, sizeof(mtu));
	return message_send(net, &m);
}

static unsigned char family_of(const struct address *a)
{
	return a->len == 4 ? FAMILY_IPV4 : FAMILY_IPV6;
}

static int add_address(struct net *net, int index, const struct address *a,
		       unsigned int prefix)
{
	struct message m;
	struct ifaddrmsg *addr;
	struct address broadcast = *a;

	addr = message_begin(&m, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE,
			     sizeof(*addr));
	addr->ifa_family = family_of(a);
	addr->ifa_prefixlen = prefix;
	/* Nobody else is on the wire that the host gave us. */
	addr->ifa_flags = IFA_F_PERMANENT | (a->len == 16 ? IFA_F_NODAD : 0);
	addr->ifa_index = index;
	message_add(&m, IFA_LOCAL, a->bytes, a->len);
	message_add(&m, IFA_ADDRESS, a->bytes, a->len);
	if (a->len == 4 && prefix < 31) {
		for (unsigned int bit = prefix; bit < 32; bit++)
			broadcast.bytes[bit / 8] |= 0x80 >> bit % 8;
		message_add(&m, IFA_BROADCAST, broadcast.bytes, 4);
	}
	return message_send(net, &m);
}

static int add_default_route(struct net *net, int index, const struct address *a)
{
	struct message m;
	struct rtmsg *route;

	route = message_begin(&m, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL,
			      sizeof(*route));
	route->rtm_family = family_of(a);
	route->rtm_table = RT_TABLE_MAIN;
	route->rtm_protocol = RTPROT_BOOT;
	route->rtm_scope = RT_SCOPE_UNIVERSE;
	route->rtm_type = RTN_UNICAST;
	message_add(&m, RTA_GATEWAY, a->bytes, a->len);
	message_add(&m, RTA_OIF, &index, sizeof(index));
	return message_send(net, &m);
}

/* The MTU is the last of net=tap:FD:MAC:MTU; a MAC has colons of its own. */
static unsigned int mtu_of(const char *value)
{
	const char *last = value;

	for (; *value; value++)
		if (*value == ':')
			last = value + 1;
	return text_number(last) > 0 ? text_number(last) : 0;
}

/*
 * The host is on the other end of the wire: it must not add routes or
 * addresses to ours, and nobody there can hold a duplicate of ours. Kernels
 * without IPv6 don't have the files.
 */
static void distrust_neighbours(void)
{
	setting_write("/proc/sys/net/ipv6/conf/eth0/accept_ra", "0");
	setting_write("/proc/sys/net/ipv6/conf/eth0/accept_dad", "0");
}

static void set_addresses(struct net *net, int index)
{
	const char *value = NULL;
	const char *rest;
	struct address address;
	char text[64];
	long prefix;
	int err;

	while ((value = record_next("addr", value))) {
		rest = value;
		if (!text_field(&rest, '/', text, sizeof(text)) ||
		    !address_parse(text, &address))
			fail("malformed address: ", value);
		prefix = text_number(rest);
		if (prefix < 1 || prefix > (long)address.len * 8)
			fail("malformed address: ", value);
		err = add_address(net, index, &address, prefix);
		if (err)
			fail("cannot give eth0 the address ", value, ": ",
			     errno_text(-err) ?: "refused by the kernel");
	}
}

static void set_routes(struct net *net, int index)
{
	const char *value = NULL;
	struct address address;
	int err;

	while ((value = record_next("gateway", value))) {
		if (!address_parse(value, &address))
			fail("malformed gateway: ", value);
		err = add_default_route(net, index, &address);
		if (err == -ENETUNREACH || err == -EHOSTUNREACH)
			fail("gateway ", value, " is in none of eth0's networks;"
			     " give an address in the gateway's network");
		if (err)
			fail("cannot set the gateway ", value, ": ",
			     errno_text(-err) ?: "refused by the kernel");
	}
}

static void net_eth0(struct net *net, const char *value)
{
	int index = interface_index(net, "eth0");
	int err;

	if (index < 0)
		fail("the library OS found no network device; start it with rkt-io-run");
	distrust_neighbours();
	err = link_up(net, index, mtu_of(value));
	if (err)
		fail("cannot bring eth0 up: ",
		     errno_text(-err) ?: "refused by the kernel");
	set_addresses(net, index);
	set_routes(net, index);
}

void net_all(void)
{
	struct net net = { 0 };
	const char *value = record_get("net");
	int lo;

	/* SOCK_RAW | SOCK_CLOEXEC */
	net.fd = sys3(__NR_socket, FAMILY_NETLINK, 3 | O_CLOEXEC, NETLINK_ROUTE);
	if (net.fd < 0)
		fail("the library OS has no rtnetlink; rebuild with make");
	lo = interface_index(&net, "lo");
	if (lo > 0)
		link_up(&net, lo, 0);
	if (value)
		net_eth0(&net, value);
	sys_close(net.fd);
}
