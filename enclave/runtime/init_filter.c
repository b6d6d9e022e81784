// SPDX-License-Identifier: GPL-2.0-only
/*
 * A wire that carries WireGuard and nothing else: an nftables table at the
 * device itself, before any protocol sees a frame and after every one is
 * through with it, raw sockets too. The table belongs to this process: no
 * other can change it.
 */
#include "init.h"
#include "init_netlink.h"
#include "init_sys.h"
#include "init_wireguard.h"

#include <asm/errno.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/icmpv6.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#define TABLE "rktio"

enum { ND_SOLICITATION = 135, ND_ADVERTISEMENT = 136 };	/* RFC 4861 */
enum { SOURCE_PORT = 0, DESTINATION_PORT = 2 };		/* offsets, RFC 768 */

/* Transactions consist of several messages, sent at once. */
struct batch {
	size_t len;
	unsigned int requests;
	unsigned char bytes[8192];
};

static void batch_add(struct batch *b, struct message *m)
{
	size_t len = NLMSG_ALIGN(m->header.nlmsg_len);

	m->header.nlmsg_seq = ++b->requests;
	if (b->len + len > sizeof(b->bytes))
		fail("the wire's filter is too long");
	memcpy(b->bytes + b->len, m, len);
	b->len += len;
}

static void nft_begin(struct message *m, int type, int flags)
{
	struct nfgenmsg *body;

	body = message_begin(m, NFNL_SUBSYS_NFTABLES << 8 | type, flags, sizeof(*body));
	body->nfgen_family = NFPROTO_NETDEV;
}

/* The two ends of a transaction, which nobody answers. */
static void batch_bracket(struct batch *b, int type)
{
	struct message m;
	struct nfgenmsg *body;

	body = message_begin(&m, type, 0, sizeof(*body));
	body->res_id = __builtin_bswap16(NFNL_SUBSYS_NFTABLES);
	m.header.nlmsg_flags = NLM_F_REQUEST;
	batch_add(b, &m);
}

static void add_be32(struct message *m, int type, unsigned int value)
{
	message_add_u32(m, type, __builtin_bswap32(value));
}

/* ---- Expressions; each rule is a list of them that all must hold ---- */

struct expression {
	struct rtattr *element;
	struct rtattr *data;
};

static struct expression expression_begin(struct message *m, const char *name)
{
	struct expression e;

	e.element = message_nest(m, NFTA_LIST_ELEM);
	message_add_text(m, NFTA_EXPR_NAME, name);
	e.data = message_nest(m, NFTA_EXPR_DATA);
	return e;
}

static void expression_end(struct message *m, struct expression e)
{
	message_nest_end(m, e.data);
	message_nest_end(m, e.element);
}

static void must_equal(struct message *m, const void *value, size_t len)
{
	struct expression e = expression_begin(m, "cmp");
	struct rtattr *data;

	add_be32(m, NFTA_CMP_SREG, NFT_REG_1);
	add_be32(m, NFTA_CMP_OP, NFT_CMP_EQ);
	data = message_nest(m, NFTA_CMP_DATA);
	message_add(m, NFTA_DATA_VALUE, value, len);
	message_nest_end(m, data);
	expression_end(m, e);
}

static void load_meta(struct message *m, enum nft_meta_keys key)
{
	struct expression e = expression_begin(m, "meta");

	add_be32(m, NFTA_META_KEY, key);
	add_be32(m, NFTA_META_DREG, NFT_REG_1);
	expression_end(m, e);
}

static void ethertype_is(struct message *m, unsigned int ethertype)
{
	unsigned short wanted = __builtin_bswap16(ethertype);

	load_meta(m, NFT_META_PROTOCOL);
	must_equal(m, &wanted, sizeof(wanted));
}

static void protocol_is(struct message *m, unsigned char protocol)
{
	load_meta(m, NFT_META_L4PROTO);
	must_equal(m, &protocol, sizeof(protocol));
}

static void mark_is(struct message *m, unsigned int mark)
{
	load_meta(m, NFT_META_MARK);
	must_equal(m, &mark, sizeof(mark));
}

/* Bytes of UDP's or ICMP's header; a fragment without one doesn't match. */
static void header_is(struct message *m, unsigned int offset, const void *value,
		      unsigned int len)
{
	struct expression e = expression_begin(m, "payload");

	add_be32(m, NFTA_PAYLOAD_DREG, NFT_REG_1);
	add_be32(m, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER);
	add_be32(m, NFTA_PAYLOAD_OFFSET, offset);
	add_be32(m, NFTA_PAYLOAD_LEN, len);
	expression_end(m, e);
	must_equal(m, value, len);
}

static void accept(struct message *m)
{
	struct expression e = expression_begin(m, "immediate");
	struct rtattr *data, *verdict;

	add_be32(m, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = message_nest(m, NFTA_IMMEDIATE_DATA);
	verdict = message_nest(m, NFTA_DATA_VERDICT);
	add_be32(m, NFTA_VERDICT_CODE, NF_ACCEPT);
	message_nest_end(m, verdict);
	message_nest_end(m, data);
	expression_end(m, e);
}

/* ---- Rules ---- */

static struct rtattr *rule_begin(struct message *m, const char *chain)
{
	nft_begin(m, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	message_add_text(m, NFTA_RULE_TABLE, TABLE);
	message_add_text(m, NFTA_RULE_CHAIN, chain);
	return message_nest(m, NFTA_RULE_EXPRESSIONS);
}

static void rule_end(struct batch *b, struct message *m, struct rtattr *expressions)
{
	accept(m);
	message_nest_end(m, expressions);
	batch_add(b, m);
}

static void allow_neighbours(struct batch *b, const char *chain)
{
	static const unsigned char kinds[] = { ND_SOLICITATION, ND_ADVERTISEMENT };
	struct rtattr *expressions;
	struct message m;

	expressions = rule_begin(&m, chain);
	ethertype_is(&m, ETH_P_ARP);
	rule_end(b, &m, expressions);
	for (unsigned int i = 0; i < sizeof(kinds); i++) {
		expressions = rule_begin(&m, chain);
		ethertype_is(&m, ETH_P_IPV6);
		protocol_is(&m, IPPROTO_ICMPV6);
		header_is(&m, 0, &kinds[i], sizeof(kinds[i]));
		rule_end(b, &m, expressions);
	}
}

/* What leaves must bear the tunnel's mark besides. */
static void allow_tunnel(struct batch *b, const char *chain, unsigned int offset,
			 unsigned int port)
{
	unsigned short wanted = __builtin_bswap16(port);
	struct rtattr *expressions;
	struct message m;

	expressions = rule_begin(&m, chain);
	protocol_is(&m, IPPROTO_UDP);
	if (offset == SOURCE_PORT)
		mark_is(&m, WIREGUARD_MARK);
	header_is(&m, offset, &wanted, sizeof(wanted));
	rule_end(b, &m, expressions);
}

static void add_chain(struct batch *b, const char *name, unsigned int hook,
		      const char *device)
{
	struct rtattr *nest;
	struct message m;

	nft_begin(&m, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	message_add_text(&m, NFTA_CHAIN_TABLE, TABLE);
	message_add_text(&m, NFTA_CHAIN_NAME, name);
	nest = message_nest(&m, NFTA_CHAIN_HOOK);
	add_be32(&m, NFTA_HOOK_HOOKNUM, hook);
	add_be32(&m, NFTA_HOOK_PRIORITY, 0);
	message_add_text(&m, NFTA_HOOK_DEV, device);
	message_nest_end(&m, nest);
	add_be32(&m, NFTA_CHAIN_POLICY, NF_DROP);
	message_add_text(&m, NFTA_CHAIN_TYPE, "filter");
	batch_add(b, &m);
	allow_neighbours(b, name);
}

static void add_table(struct batch *b)
{
	struct message m;

	nft_begin(&m, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
	message_add_text(&m, NFTA_TABLE_NAME, TABLE);
	add_be32(&m, NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
	batch_add(b, &m);
}

/* Each request but the brackets is answered. */
static int batch_send(int fd, const struct batch *b)
{
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		unsigned char rest[4096];
	} answer;
	long n = sys_write(fd, b->bytes, b->len);
	int err = 0;

	for (unsigned int i = 2; n >= 0 && i < b->requests; i++) {
		n = sys_read(fd, &answer, sizeof(answer));
		if (n >= 0 && !err && answer.header.nlmsg_type == NLMSG_ERROR)
			err = answer.error.error;
	}
	return n < 0 ? n : err;
}

void filter_allow_only(const char *device, unsigned int port)
{
	int fd = netlink_open(NETLINK_NETFILTER);
	struct batch b = { 0 };
	int err;

	batch_bracket(&b, NFNL_MSG_BATCH_BEGIN);
	add_table(&b);
	add_chain(&b, "in", NF_NETDEV_INGRESS, device);
	allow_tunnel(&b, "in", DESTINATION_PORT, port);
	add_chain(&b, "out", NF_NETDEV_EGRESS, device);
	allow_tunnel(&b, "out", SOURCE_PORT, port);
	batch_bracket(&b, NFNL_MSG_BATCH_END);
	err = batch_send(fd, &b);
	if (err)
		fail("cannot close ", device, " to all but WireGuard: ",
		     errno_text(-err) ?: "refused by the kernel");
	/* The socket stays open: it owns the table. */
}
