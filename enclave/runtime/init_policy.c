// SPDX-License-Identifier: GPL-2.0-only
/* What the host may decide under a sealed configuration: what that names. */
#include "init.h"
#include "init_config.h"
#include "init_json.h"

/* Copy what comes before @separator; false when it does not fit. */
static bool name_of(const char *text, char separator, char *ret, size_t size)
{
	size_t len = 0;

	for (; text[len] && text[len] != separator; len++) {
		if (len == size - 1)
			return false;
		ret[len] = text[len];
	}
	ret[len] = '\0';
	return true;
}

static bool allowed(const char *document, const char *list, const char *value)
{
	const char *names = json_get(json_get(document, "policy"), list);
	char name[160];

	if (!name_of(value, '=', name, sizeof(name)))
		return false;
	for (const char *i = json_first(names); i; i = json_next(i))
		if (json_is(i, name))
			return true;
	return false;
}

static void check_memory(const char *document, const char *value)
{
	const char *limits = json_get(document, "limits");
	long low = json_number(json_get(limits, "memory-min"));
	long high = json_number(json_get(limits, "memory-max"));
	unsigned long bytes = 0;

	for (const char *c = value; *c; c++)	/* checked by the runtime */
		bytes = bytes * 10 + *c - '0';
	if (low < 0 || high < 0)
		fail("configuration: limits are malformed");
	if (bytes < (unsigned long)low)
		fail("configuration: ", value, " bytes of memory are less than"
		     " limits.memory-min; give the enclave more (--memory)");
	if (bytes > (unsigned long)high)
		fail("configuration: ", value, " bytes of memory are more than"
		     " limits.memory-max; give the enclave less (--memory)");
}

static void check_cpus(const char *document, const char *value)
{
	long most = json_number(json_get(json_get(document, "limits"), "cpus-max"));

	if (text_number(value) > most)
		fail("configuration: ", value, " CPUs are more than"
		     " limits.cpus-max; give the enclave fewer (--cpus)");
}

/* net=KIND:FD:MAC:MTU[:server]; six colons are the MAC's and around it. */
static void check_net(const char *document, const char *value)
{
	const char *network = json_get(document, "network");
	long wanted = json_number(json_get(network, "mtu"));
	char mtu[8] = "";

	if (!network)
		fail("configuration: it has no [network], but the host gives one;"
		     " start without (--net none)");
	for (int colons = 0; *value && colons < 8; value++)
		colons += *value == ':';
	if (!name_of(value, ':', mtu, sizeof(mtu)) || text_number(mtu) != wanted)
		fail("configuration: the host's MTU ", mtu, " is not network.mtu");
}

static void check_argument(const char *document, const char *value)
{
	if (!allowed(document, "host-args", value))
		fail("configuration: the host may not give the argument ", value,
		     "; the owner allows it by policy.host-args");
}

static void check_variable(const char *document, const char *value)
{
	char name[160];

	if (allowed(document, "host-env", value))
		return;
	if (!name_of(value, '=', name, sizeof(name)))
		name[0] = '\0';
	fail("configuration: the host may not set the variable ", name,
	     "; the owner allows it by policy.host-env");
}

static void check_terminal(const char *document, const char *value)
{
	if (text_equal(value, "1") &&
	    json_bool(json_get(json_get(document, "policy"), "terminal")) != 1)
		fail("configuration: the host may not attach a terminal; redirect"
		     " standard input, or the owner allows it by policy.terminal");
}

/* Devices and CPUs, and what only tells the host more of what it can see. */
static bool is_hosts_own(const char *entry)
{
	static const char keys[][16] = {
		"version=", "poll=", "loglevel=", "stats=", "disk=", "root=",
		"data_device=", "keys=", "tee=", "owner_key=", "sealed_config=", "insecure_",
		"net_",
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (text_after(entry, keys[i]))
			return true;
	return false;
}

void policy_check(const char *document, const char *entry)
{
	const char *value;
	char key[32];

	if ((value = text_after(entry, "memory_bytes=")))
		check_memory(document, value);
	else if ((value = text_after(entry, "cpus=")))
		check_cpus(document, value);
	else if ((value = text_after(entry, "net=")))
		check_net(document, value);
	else if ((value = text_after(entry, "arg=")))
		check_argument(document, value);
	else if ((value = text_after(entry, "env=")))
		check_variable(document, value);
	else if ((value = text_after(entry, "tty=")))
		check_terminal(document, value);
	else if (!is_hosts_own(entry))
		fail("configuration: the host may not set ",
		     name_of(entry, '=', key, sizeof(key)) ? key : "that",
		     "; it is the owner's to say");
}

bool policy_host_sets(const char *key)
{
	const char *value = NULL;
	char name[160];

	while ((value = record_next("env", value)))
		if (name_of(value, '=', name, sizeof(name)) && json_is(key, name))
			return true;
	return false;
}
