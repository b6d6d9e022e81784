// SPDX-License-Identifier: GPL-2.0-only
/*
 * WireGuard inside the library OS: wg0, its keys, peers and routes, by
 * rtnetlink and generic netlink. abi/launch.h has the record's keys.
 */
#include "init_wireguard.h"
#include "init.h"
#include "init_json.h"
#include "init_keys.h"
#include "init_net.h"
#include "init_netlink.h"
#include "init_sys.h"

#include <asm/errno.h>
#include <linux/fib_rules.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/wireguard.h>

#define DEVICE "wg0"

/* Our routing table for peers that take the default route, and its rules. */
enum { TABLE = 0x7267, RULE_SPECIFIC = 100, RULE_TUNNEL = 101 };

struct tunnel {
	int route;		/* rtnetlink */
	int generic;		/* generic netlink */
	int family;		/* WireGuard's number there */
	int index;
	unsigned int port;
	unsigned int mtu;
	bool only;
	bool ruled[2];		/* IPv4, IPv6: the rules of TABLE are there */
};

/* One value of the record's wireguard_peer, taken apart. */
struct peer {
	unsigned char key[WG_KEY_LEN];
	unsigned int keep_alive;
	char endpoint[64];
	char preshared[32];
	const char *allowed;
};

static const char *reason(int err)
{
	return errno_text(-err) ?: "refused by the kernel";
}

static void parse_tunnel(const char *value, struct tunnel *t)
{
	char port[8], mtu[8], only[8];
	const char *rest = value;

	if (!text_field(&rest, ':', port, sizeof(port)) ||
	    !text_field(&rest, ':', mtu, sizeof(mtu)) ||
	    !text_field(&rest, ':', only, sizeof(only)))
		fail("malformed wireguard in the launch record: ", value);
	t->port = text_number(port);
	t->mtu = text_number(mtu);
	t->only = text_equal(only, "only");
}

static void parse_peer(const char *value, struct peer *p)
{
	char key[48], keep_alive[8];
	const char *rest = value;

	if (!text_field(&rest, ',', key, sizeof(key)) ||
	    base64_decode(key, text_len(key), p->key, sizeof(p->key)) != WG_KEY_LEN ||
	    !text_field(&rest, ',', keep_alive, sizeof(keep_alive)) ||
	    !text_field(&rest, ',', p->endpoint, sizeof(p->endpoint)) ||
	    !text_field(&rest, ',', p->preshared, sizeof(p->preshared)) || !*rest)
		fail("malformed WireGuard peer: ", value);
	p->keep_alive = text_number(keep_alive);
	p->allowed = rest;
}

/* ---- The device ---- */

static void create(struct tunnel *t)
{
	struct rtattr *info;
	struct message m;
	int err;

	message_begin(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL,
		      sizeof(struct ifinfomsg));
	message_add_text(&m, IFLA_IFNAME, DEVICE);
	info = message_nest(&m, IFLA_LINKINFO);
	message_add_text(&m, IFLA_INFO_KIND, WG_GENL_NAME);
	message_nest_end(&m, info);
	err = message_send(t->route, &m);
	if (err)
		fail("cannot make the WireGuard device: ", reason(err));
	t->index = net_index(t->route, DEVICE);
}

/* Families of generic netlink have no fixed numbers. */
static int find_family(int generic)
{
	struct genlmsghdr *body;
	struct rtattr *attr;
	struct message m;
	long left;

	body = message_begin(&m, GENL_ID_CTRL, 0, sizeof(*body));
	body->cmd = CTRL_CMD_GETFAMILY;
	message_add_text(&m, CTRL_ATTR_FAMILY_NAME, WG_GENL_NAME);
	if (message_ask(generic, &m))
		fail("the library OS has no WireGuard; rebuild with make");
	attr = (void *)(m.payload + GENL_HDRLEN);
	left = m.header.nlmsg_len - NLMSG_LENGTH(GENL_HDRLEN);
	for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left))
		if (attr->rta_type == CTRL_ATTR_FAMILY_ID)
			return *(unsigned short *)RTA_DATA(attr);
	fail("the library OS has no WireGuard; rebuild with make");
}

static void set_begin(const struct tunnel *t, struct message *m)
{
	struct genlmsghdr *body;

	body = message_begin(m, t->family, 0, sizeof(*body));
	body->cmd = WG_CMD_SET_DEVICE;
	body->version = WG_GENL_VERSION;
	message_add_u32(m, WGDEVICE_A_IFINDEX, t->index);
}

static void set_device(const struct tunnel *t)
{
	unsigned char key[WG_KEY_LEN];
	unsigned short port = t->port;
	struct message m;
	int err;

	if (!keys_take("wireguard", key, sizeof(key)))
		fail("no private key for WireGuard (32 bytes, named wireguard);"
		     " have the owner's keys hold one");
	set_begin(t, &m);
	message_add(&m, WGDEVICE_A_PRIVATE_KEY, key, sizeof(key));
	message_add(&m, WGDEVICE_A_LISTEN_PORT, &port, sizeof(port));
	message_add_u32(&m, WGDEVICE_A_FWMARK, WIREGUARD_MARK);
	err = message_send(t->generic, &m);
	keys_wipe(key, sizeof(key));
	keys_wipe(&m, sizeof(m));
	if (err)
		fail("cannot give WireGuard its private key: ", reason(err));
}

/* ---- Peers ---- */

/* ADDRESS:PORT or [ADDRESS]:PORT */
static bool parse_endpoint(const char *text, struct address *ret,
			   unsigned short *ret_port)
{
	char address[64];
	long port;

	if (*text == '[') {
		text++;
		if (!text_field(&text, ']', address, sizeof(address)) || *text++ != ':')
			return false;
	} else if (!text_field(&text, ':', address, sizeof(address))) {
		return false;
	}
	port = text_number(text);
	*ret_port = __builtin_bswap16(port);
	return port > 0 && port < 65536 && address_parse(address, ret);
}

static void add_endpoint(struct message *m, const char *text)
{
	struct sockaddr_in6 six = { .sin6_family = FAMILY_IPV6 };
	struct sockaddr_in four = { .sin_family = FAMILY_IPV4 };
	struct address address;
	unsigned short port;

	if (!parse_endpoint(text, &address, &port))
		fail("malformed endpoint of a WireGuard peer: ", text);
	if (address.len == 4) {
		four.sin_port = port;
		memcpy(&four.sin_addr, address.bytes, 4);
		message_add(m, WGPEER_A_ENDPOINT, &four, sizeof(four));
	} else {
		six.sin6_port = port;
		memcpy(&six.sin6_addr, address.bytes, 16);
		message_add(m, WGPEER_A_ENDPOINT, &six, sizeof(six));
	}
}

static void add_preshared(struct message *m, const char *name)
{
	unsigned char key[WG_KEY_LEN];

	if (!keys_take(name, key, sizeof(key)))
		fail("no preshared key for a WireGuard peer (32 bytes, named ", name,
		     "); have the owner's keys hold it");
	message_add(m, WGPEER_A_PRESHARED_KEY, key, sizeof(key));
	keys_wipe(key, sizeof(key));
}

/* The next of a peer's networks; false after the last. */
static bool next_network(const char **rest, struct address *ret,
			 unsigned int *ret_prefix)
{
	char text[64];

	if (!**rest)
		return false;
	if (!text_field(rest, ',', text, sizeof(text)) ||
	    !net_parse(text, ret, ret_prefix))
		fail("malformed network of a WireGuard peer");
	return true;
}

static void add_networks(struct message *m, const char *rest)
{
	struct rtattr *all = message_nest(m, WGPEER_A_ALLOWEDIPS);
	struct address address;
	unsigned int prefix;

	while (next_network(&rest, &address, &prefix)) {
		struct rtattr *one = message_nest(m, 0);
		unsigned short family = net_family(&address);
		unsigned char mask = prefix;

		message_add(m, WGALLOWEDIP_A_FAMILY, &family, sizeof(family));
		message_add(m, WGALLOWEDIP_A_IPADDR, address.bytes, address.len);
		message_add(m, WGALLOWEDIP_A_CIDR_MASK, &mask, sizeof(mask));
		message_nest_end(m, one);
	}
	message_nest_end(m, all);
}

static void set_peer(const struct tunnel *t, const struct peer *p)
{
	unsigned short keep_alive = p->keep_alive;
	struct rtattr *peers, *peer;
	struct message m;
	int err;

	set_begin(t, &m);
	peers = message_nest(&m, WGDEVICE_A_PEERS);
	peer = message_nest(&m, 0);
	message_add(&m, WGPEER_A_PUBLIC_KEY, p->key, sizeof(p->key));
	if (!text_equal(p->preshared, "-"))
		add_preshared(&m, p->preshared);
	if (!text_equal(p->endpoint, "-"))
		add_endpoint(&m, p->endpoint);
	message_add(&m, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, &keep_alive,
		    sizeof(keep_alive));
	add_networks(&m, p->allowed);
	message_nest_end(&m, peer);
	message_nest_end(&m, peers);
	err = message_send(t->generic, &m);
	keys_wipe(&m, sizeof(m));
	if (err)
		fail("cannot add a WireGuard peer: ", reason(err));
}

/* ---- Routes ---- */

static int add_rule(struct tunnel *t, unsigned char family, unsigned int priority,
		    bool tunnel)
{
	struct fib_rule_hdr *rule;
	struct message m;

	rule = message_begin(&m, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, sizeof(*rule));
	rule->family = family;
	rule->action = FR_ACT_TO_TBL;
	message_add_u32(&m, FRA_PRIORITY, priority);
	message_add_u32(&m, FRA_TABLE, tunnel ? TABLE : RT_TABLE_MAIN);
	if (tunnel) {
		rule->flags = FIB_RULE_INVERT;
		message_add_u32(&m, FRA_FWMARK, WIREGUARD_MARK);
	} else {
		message_add_u32(&m, FRA_SUPPRESS_PREFIXLEN, 0);
	}
	return message_send(t->route, &m);
}

/*
 * The default route is the tunnel's for all but its own datagrams, which
 * bear its mark; routes that name a network come before it.
 */
static int add_rules(struct tunnel *t, unsigned char family)
{
	bool *ruled = &t->ruled[family == FAMILY_IPV6];
	int err;

	if (*ruled)
		return 0;
	*ruled = true;
	err = add_rule(t, family, RULE_SPECIFIC, false);
	return err ?: add_rule(t, family, RULE_TUNNEL, true);
}

static int add_route(struct tunnel *t, const struct address *a, unsigned int prefix)
{
	struct message m;
	struct rtmsg *route;

	route = message_begin(&m, RTM_NEWROUTE, NLM_F_CREATE, sizeof(*route));
	route->rtm_family = net_family(a);
	route->rtm_dst_len = prefix;
	route->rtm_protocol = RTPROT_BOOT;
	route->rtm_scope = RT_SCOPE_LINK;
	route->rtm_type = RTN_UNICAST;
	message_add_u32(&m, RTA_TABLE, prefix ? RT_TABLE_MAIN : TABLE);
	if (prefix)
		message_add(&m, RTA_DST, a->bytes, a->len);
	message_add_u32(&m, RTA_OIF, t->index);
	return message_send(t->route, &m);
}

static void set_routes(struct tunnel *t, const struct peer *p)
{
	const char *rest = p->allowed;
	struct address address;
	unsigned int prefix;
	int err;

	while (next_network(&rest, &address, &prefix)) {
		err = prefix ? 0 : add_rules(t, net_family(&address));
		if (!err)
			err = add_route(t, &address, prefix);
		if (err && err != -EEXIST)
			fail("cannot route into the tunnel: ", reason(err));
	}
}

static void add_peers(struct tunnel *t)
{
	const char *value = NULL;
	struct peer peer;

	while ((value = record_next("wireguard_peer", value))) {
		parse_peer(value, &peer);
		set_peer(t, &peer);
		set_routes(t, &peer);
	}
}

static bool closed_early(void)
{
	return !record_get("keys");	/* the broker is asked over the open wire */
}

static void close_wire(const struct tunnel *t)
{
	if (t->only)
		filter_allow_only("eth0", t->port);
}

void wireguard_before_eth0(void)
{
	const char *value = record_get("wireguard");
	struct tunnel t = { 0 };

	if (!value || !closed_early())
		return;
	parse_tunnel(value, &t);
	close_wire(&t);
}

void wireguard_all(void)
{
	const char *value = record_get("wireguard");
	struct tunnel t = { 0 };
	int err;

	if (!value)
		return;
	parse_tunnel(value, &t);
	if (!closed_early())
		close_wire(&t);
	t.route = netlink_open(NETLINK_ROUTE);
	t.generic = netlink_open(NETLINK_GENERIC);
	t.family = find_family(t.generic);
	create(&t);
	set_device(&t);
	net_set_addresses(t.route, t.index, DEVICE, "wireguard_addr");
	err = net_link_up(t.route, t.index, t.mtu);
	if (err)
		fail("cannot bring WireGuard up: ", err == -EADDRINUSE ?
		     "its port is in use" : reason(err));
	add_peers(&t);
	sys_close(t.generic);
	sys_close(t.route);
}
