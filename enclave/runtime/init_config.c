// SPDX-License-Identifier: GPL-2.0-only
/* From the sealed configuration to the launch record that the rest obeys. */
#include "init.h"
#include "init_config.h"
#include "init_json.h"
#include "init_pkcs7.h"
#include "init_sys.h"

#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/mount.h>

enum { MEASUREMENT_DIGITS = 96, FINGERPRINT_DIGITS = 64 };

static struct {
	const char *document;
	char measurement[MEASUREMENT_DIGITS + 1];
	char fingerprint[FINGERPRINT_DIGITS + 1];
	/* The new record. */
	char *start;
	size_t used, size;
} config;

const char *config_document(void)
{
	return config.document;
}

const char *config_measurement(void)
{
	return *config.measurement ? config.measurement : NULL;
}

const char *config_fingerprint(void)
{
	return *config.fingerprint ? config.fingerprint : NULL;
}

/* ---- What the kernel says of it: /proc/sealed ---- */

static void copy_digits(const char *report, const char *name, char *ret, size_t digits)
{
	const char *line = report, *value;

	for (; line; line = *line ? line + 1 : NULL) {
		value = text_after(line, name);
		if (value && text_len(value) > digits && value[digits] == '\n') {
			memcpy(ret, value, digits);
			ret[digits] = '\0';
			return;
		}
		while (*line && *line != '\n')
			line++;
	}
	fail("measurement: the library kernel gives none; rebuild with make");
}

static void ask_kernel(void)
{
	char report[1024];
	const char *why;
	long n;
	int fd;

	sys_mkdir("/proc", 0755);
	machine_mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	fd = sys_open("/proc/sealed", O_RDONLY | O_CLOEXEC, 0);
	n = fd < 0 ? fd : sys_read(fd, report, sizeof(report) - 1);
	sys_close(fd);
	if (n <= 0)
		fail("configuration: the library kernel has not checked it; rebuild with make");
	report[n] = '\0';
	why = text_after(report, "refused: ");
	if (why) {
		report[n - 1] = '\0';	/* the newline */
		fail(why);
	}
	copy_digits(report, "measurement: ", config.measurement, MEASUREMENT_DIGITS);
	copy_digits(report, "certificate: ", config.fingerprint, FINGERPRINT_DIGITS);
}

/* For the key broker's client. */
static void write_measurement(void)
{
	int fd = sys_open("/measurement", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);

	sys_write(fd, config.measurement, MEASUREMENT_DIGITS);
	sys_write(fd, "\n", 1);
	sys_close(fd);
}

/* ---- The document's form ---- */

/* Line three, with the newlines around it; the kernel has decoded it before. */
static void check_signature_form(const char *text)
{
	unsigned char signature[4096];
	size_t len = 0;
	long n;

	text += *text == '\n';
	while (text[len] && text[len] != '\n')
		len++;
	n = base64_decode(text, len, signature, sizeof(signature));
	if (n < 0 || !pkcs7_has_one_form(signature, n))
		fail("configuration: signature: not PKCS#7 as rkt-io config sign writes it");
}

/* Line two, which the kernel found signed. */
static const char *find_document(const char *sealed)
{
	const char *start = sealed;
	size_t len = 0;

	while (*start && *start != '\n')
		start++;
	start += *start == '\n';
	while (start[len] && start[len] != '\n')
		len++;
	check_signature_form(start + len);
	if (!len || json_check(start, len) != len)
		fail("configuration: not in its one spelling; seal it with rkt-io config sign");
	return start;
}

/* Whoever signed a key that we don't know meant something by it. */
static void check_keys(const char *document)
{
	static const char required[][10] = {
		"args", "cwd", "data", "env", "hostname", "limits", "policy",
		"program", "root", "sysctl", "version",
	};
	enum { REQUIRED = sizeof(required) / sizeof(required[0]) };
	size_t count = REQUIRED;

	if (json_number(json_get(document, "version")) != 1)
		fail("configuration: not of version 1; use an enclave of its release");
	for (size_t i = 0; i < REQUIRED; i++)
		if (!json_get(document, required[i]))
			fail("configuration: no ", required[i]);
	count += !!json_get(document, "network") + !!json_get(document, "wireguard") +
		 !!json_get(document, "keys");
	if (json_count(document) != count ||
	    json_count(json_get(document, "root")) != 4 ||
	    json_count(json_get(document, "limits")) != 3 ||
	    json_count(json_get(document, "policy")) != 3 ||
	    (json_get(document, "network") &&
	     json_count(json_get(document, "network")) != 4) ||
	    (json_get(document, "keys") && json_count(json_get(document, "keys")) != 2))
		fail("configuration: a key that this enclave does not know; use one of its release");
}

/* Nothing that the owner asked for is left out silently. */
static void check_supported(const char *document)
{
	for (const char *i = json_first(json_get(document, "data")); i; i = json_next(i))
		if (json_bool(json_get(i, "freshness")) != 0)
			fail("configuration: data.freshness: this enclave can't check it yet");
}

/* ---- The new record ---- */

static void put(const char *text)
{
	size_t len = text_len(text);

	if (len > config.size - config.used)
		fail("configuration: too large");
	memcpy(config.start + config.used, text, len);
	config.used += len;
}

static void put_end(void)
{
	if (config.used == config.size)
		fail("configuration: too large");
	config.start[config.used++] = '\0';
}

static void put_value(const char *value, const char *what)
{
	char *end = config.start + config.used;

	if (!json_text(value, end, config.size - config.used))
		fail("configuration: ", what, " is malformed");
	config.used += text_len(end);
}

static void put_entry(const char *key, const char *value)
{
	put(key);
	put("=");
	put_value(value, key);
	put_end();
}

static void put_list(const char *key, const char *list)
{
	for (const char *i = json_first(list); i; i = json_next(i))
		put_entry(key, i);
}

/* {"NAME":"VALUE"} to key=NAME=VALUE. */
static void put_map(const char *key, const char *map, bool host_may)
{
	for (const char *i = json_first(map); i; i = json_next(i)) {
		if (host_may && policy_host_sets(i))
			continue;
		put(key);
		put("=");
		put_value(i, key);
		put("=");
		put_value(json_value(i), key);
		put_end();
	}
}

/* A list as one value, its items behind commas. */
static void put_joined(const char *list, const char *what)
{
	for (const char *i = json_first(list); i; i = json_next(i)) {
		put(",");
		put_value(i, what);
	}
}

static void put_optional(const char *value, const char *what)
{
	if (value)
		put_value(value, what);
	else
		put("-");
}

static void put_number(const char *value, const char *what)
{
	char digits[24];

	if (json_number(value) < 0)
		fail("configuration: ", what, " is malformed");
	put(number_text(json_number(value), digits));
}

static void put_peer(const char *peer)
{
	const char *endpoint = json_get(peer, "endpoint");
	const char *preshared = json_get(peer, "preshared-key");

	if (json_count(peer) != 3u + !!endpoint + !!preshared)
		fail("configuration: a WireGuard peer has a key that this enclave does not know");
	put("wireguard_peer=");
	put_value(json_get(peer, "public-key"), "a peer's public-key");
	put(",");
	put_number(json_get(peer, "keep-alive"), "a peer's keep-alive");
	put(",");
	put_optional(endpoint, "a peer's endpoint");
	put(",");
	put_optional(preshared, "a peer's preshared-key");
	put_joined(json_get(peer, "allowed-ips"), "a peer's allowed-ips");
	put_end();
}

static void put_data(const char *list)
{
	for (const char *i = json_first(list); i; i = json_next(i)) {
		const char *format = json_get(i, "format");

		/* Written only where it is true. */
		if (json_count(i) != 3u + !!format || (format && json_bool(format) != 1))
			fail("configuration: [[data]] is malformed");
		put("data=");
		put_value(json_get(i, "name"), "data.name");
		put(format ? ":format:" : ":open:");
		put_value(json_get(i, "mount"), "data.mount");
		put_end();
	}
}

static void put_wireguard(const char *tunnel)
{
	int only = json_bool(json_get(tunnel, "only"));

	if (!tunnel)
		return;
	if (json_count(tunnel) != 5 || only < 0)
		fail("configuration: [wireguard] is malformed");
	put("wireguard=");
	put_number(json_get(tunnel, "listen-port"), "wireguard.listen-port");
	put(":");
	put_number(json_get(tunnel, "mtu"), "wireguard.mtu");
	put(only ? ":only" : ":open");
	put_end();
	put_list("wireguard_addr", json_get(tunnel, "addresses"));
	for (const char *i = json_first(json_get(tunnel, "peer")); i; i = json_next(i))
		put_peer(i);
}

static void put_document(const char *document)
{
	const char *network = json_get(document, "network");

	put_entry("arg", json_get(document, "program"));
	put_list("arg", json_get(document, "args"));
	put_entry("cwd", json_get(document, "cwd"));
	put_entry("hostname", json_get(document, "hostname"));
	put_map("env", json_get(document, "env"), true);
	put_map("sysctl", json_get(document, "sysctl"), false);
	put_list("addr", json_get(network, "addresses"));
	put_list("gateway", json_get(network, "gateways"));
	put_list("dns", json_get(network, "dns"));
	put_data(json_get(document, "data"));
	put_wireguard(json_get(document, "wireguard"));
	if (network && !record_get("net"))
		fail("configuration: it asks for a network and the host gives none;"
		     " start with --net");
}

/* What the host said and may say, once it is looked at; additions come last. */
static void put_host(const char *document)
{
	const char *entry = NULL;

	while ((entry = record_entry(entry))) {
		policy_check(document, entry);
		if (text_after(entry, "sealed_config=") || text_after(entry, "owner_key="))
			continue;
		put(entry);
		put_end();
	}
}

static void replace_record(const char *document, size_t bytes)
{
	void *start = sys_mmap(bytes, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1);

	if ((unsigned long)start > -4096UL)
		fail("configuration: out of memory; give the enclave more (--memory)");
	config.start = start;
	config.size = bytes;
	put_document(document);
	put_host(document);
	record_replace(config.start, config.used);
}

void config_enforce(void)
{
	const char *sealed = record_get("sealed_config");
	const char *document;

	if (!sealed)
		return;
	ask_kernel();
	document = find_document(sealed);
	check_keys(document);
	check_supported(document);
	config.document = document;
	/* Keys of the record are longer than JSON's punctuation, by less than that. */
	replace_record(document, LAUNCH_BYTES_MAX + 4 * LAUNCH_SEALED_MAX);
	write_measurement();
	if (record_get("stats"))
		say("measurement ", config.measurement, NULL);
}
