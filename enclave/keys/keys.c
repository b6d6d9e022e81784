// SPDX-License-Identifier: Apache-2.0
/*
 * rkt-io-keys URL
 *
 * Fetches an enclave's keys from its owner's key broker. It runs inside the
 * library OS, as a child of PID 1 and before any program of the image: it
 * proves what the enclave is, and writes one line NAME=HEX for each key that
 * the sealed configuration needs to descriptor 3, all or none. On failure: one
 * line on standard error, status 1.
 */
#include "evidence.h"
#include "given.h"
#include "hexadecimal.h"
#include "refusal.h"
#include "session.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	OUTPUT_FD = 3,
	OUTPUT_MAX = 16 << 10,		/* what PID 1 takes */
	DEADLINE_SECONDS = 90,
};

static struct {
	char lines[OUTPUT_MAX];
	size_t length;
} output;

/* A program that reads our memory by ptrace or a core file would have the keys. */
static void hide(void)
{
	const struct rlimit none = { 0, 0 };

	prctl(PR_SET_DUMPABLE, 0);
	setrlimit(RLIMIT_CORE, &none);
}

static void too_late(int signal)
{
	static const char line[] = "rkt-io: keys: the key broker takes longer than 90 s\n";
	ssize_t ignored = write(STDERR_FILENO, line, sizeof(line) - 1);

	(void)signal;
	(void)ignored;
	_exit(1);
}

static int append(const char *name, const uint8_t *secret, size_t bytes)
{
	char *at = output.lines + output.length;

	if (strlen(name) + 2 * bytes + 3 > sizeof(output.lines) - output.length)
		return refuse("the keys are longer than 16 KiB together");
	at = stpcpy(at, name);
	*at++ = '=';
	hexadecimal(at, secret, bytes);
	at += 2 * bytes;
	*at++ = '\n';
	output.length = at - output.lines;
	return 0;
}

static int fetch(struct session *session, const struct wanted *wanted)
{
	static uint8_t secret[SECRET_BYTES_MAX];
	long bytes = session_secret(session, wanted->path, secret);
	int err = bytes < 0 ? bytes : append(wanted->name, secret, bytes);

	OPENSSL_cleanse(secret, sizeof(secret));
	return err;
}

static int write_output(void)
{
	size_t done = 0;

	while (done < output.length) {
		ssize_t now = write(OUTPUT_FD, output.lines + done, output.length - done);

		if (now < 0 && errno == EINTR)
			continue;
		if (now <= 0)
			return refuse("descriptor 3 takes no keys: %s", strerror(errno));
		done += now;
	}
	return 0;
}

static int fetch_all(struct session *session, const char *url)
{
	static struct plan plan;
	int device, err;

	err = given_plan(&plan);
	if (!err)
		err = broker_parse(&session->broker, url, plan.fingerprint);
	if (err)
		return err;
	device = device_open();
	err = device < 0 ? device : session_attest(session, device);
	for (int i = 0; i < plan.count && !err; i++)
		err = fetch(session, &plan.wanted[i]);
	return err ? err : write_output();
}

int main(int argc, char **argv)
{
	static struct session session;
	int err;

	hide();
	signal(SIGALRM, too_late);
	signal(SIGPIPE, SIG_IGN);
	alarm(DEADLINE_SECONDS);
	/* No configuration file and no error strings: neither exists here. */
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS, NULL);
	err = argc == 2 ? fetch_all(&session, argv[1]) : refuse("usage: rkt-io-keys URL");
	teekey_destroy(session.key);
	OPENSSL_cleanse(&output, sizeof(output));
	if (err)
		fprintf(stderr, "rkt-io: keys: %s\n", refusal());
	return err ? 1 : 0;
}
