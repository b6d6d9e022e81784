// SPDX-License-Identifier: GPL-2.0-only
/* The network of the library OS by rtnetlink: lo, eth0, default routes. */
#include "init_net.h"
#include "init.h"
#include "init_netlink.h"
#include "init_sys.h"
#include "init_wireguard.h"

#include <asm/errno.h>
#include <linux/fcntl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/sockios.h>

int net_index(int netlink, const char *name)
{
	struct ifreq request = { 0 };
	int err;

	text_append(request.ifr_name, sizeof(request.ifr_name), name);
	err = sys_ioctl(netlink, SIOCGIFINDEX, &request);
	return err ? err : request.ifr_ifindex;
}

int net_link_up(int netlink, int index, unsigned int mtu)
{
	struct message m;
	struct ifinfomsg *link;

	link = message_begin(&m, RTM_NEWLINK, 0, sizeof(*link));
	link->ifi_index = index;
	link->ifi_flags = IFF_UP;
	link->ifi_change = IFF_UP;
	if (mtu)
		message_add(&m, IFLA_MTU, &mtu, sizeof(mtu));
	return message_send(netlink, &m);
}

unsigned char net_family(const struct address *a)
{
	return a->len == 4 ? FAMILY_IPV4 : FAMILY_IPV6;
}

int net_add_address(int netlink, int index, const struct address *a,
		    unsigned int prefix)
{
	struct message m;
	struct ifaddrmsg *addr;
	struct address broadcast = *a;

	addr = message_begin(&m, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE,
			     sizeof(*addr));
	addr->ifa_family = net_family(a);
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
	return message_send(netlink, &m);
}

static int add_default_route(int netlink, int index, const struct address *a)
{
	struct message m;
	struct rtmsg *route;

	route = message_begin(&m, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL,
			      sizeof(*route));
	route->rtm_family = net_family(a);
	route->rtm_table = RT_TABLE_MAIN;
	route->rtm_protocol = RTPROT_BOOT;
	route->rtm_scope = RT_SCOPE_UNIVERSE;
	route->rtm_type = RTN_UNICAST;
	message_add(&m, RTA_GATEWAY, a->bytes, a->len);
	message_add(&m, RTA_OIF, &index, sizeof(index));
	return message_send(netlink, &m);
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

/* ADDRESS/PREFIX */
bool net_parse(const char *text, struct address *ret, unsigned int *ret_prefix)
{
	char address[64];
	long prefix;

	if (!text_field(&text, '/', address, sizeof(address)) ||
	    !address_parse(address, ret))
		return false;
	prefix = text_number(text);
	*ret_prefix = prefix;
	return prefix >= 0 && prefix <= (long)ret->len * 8;
}

void net_set_addresses(int netlink, int index, const char *name, const char *key)
{
	const char *value = NULL;
	struct address address;
	unsigned int prefix;
	int err;

	while ((value = record_next(key, value))) {
		if (!net_parse(value, &address, &prefix) || !prefix)
			fail("malformed address: ", value);
		err = net_add_address(netlink, index, &address, prefix);
		if (err)
			fail("cannot give ", name, " the address ", value, ": ",
			     errno_text(-err) ?: "refused by the kernel");
	}
}

static void set_routes(int netlink, int index)
{
	const char *value = NULL;
	struct address address;
	int err;

	while ((value = record_next("gateway", value))) {
		if (!address_parse(value, &address))
			fail("malformed gateway: ", value);
		err = add_default_route(netlink, index, &address);
		if (err == -ENETUNREACH || err == -EHOSTUNREACH)
			fail("gateway ", value, " is in none of eth0's networks;"
			     " give an address in the gateway's network");
		if (err)
			fail("cannot set the gateway ", value, ": ",
			     errno_text(-err) ?: "refused by the kernel");
	}
}

static void net_eth0(int netlink, const char *value)
{
	int index = net_index(netlink, "eth0");
	int err;

	if (index < 0)
		fail("the library OS found no network device; start it with rkt-io-run");
	distrust_neighbours();
	wireguard_before_eth0();
	err = net_link_up(netlink, index, mtu_of(value));
	if (err)
		fail("cannot bring eth0 up: ",
		     errno_text(-err) ?: "refused by the kernel");
	net_set_addresses(netlink, index, "eth0", "addr");
	set_routes(netlink, index);
}

void net_all(void)
{
	int netlink = netlink_open(NETLINK_ROUTE);
	const char *value = record_get("net");
	int lo = net_index(netlink, "lo");

	if (lo > 0)
		net_link_up(netlink, lo, 0);
	if (value)
		net_eth0(netlink, value);
	sys_close(netlink);
}
