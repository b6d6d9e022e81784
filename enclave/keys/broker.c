// SPDX-License-Identifier: Apache-2.0
/* One TLS connection per request. Nothing is sent before the certificate is known to be the pinned one. */
#include "broker.h"

#include "refusal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

enum { TIMEOUT_SECONDS = 20, PORT_DEFAULT = 443 };

static int parse_pin(uint8_t pin[PIN_BYTES], const char *text)
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < 2 * PIN_BYTES; i++) {
		const char *digit = text[i] ? strchr(digits, text[i] | 0x20) : NULL;

		if (!digit)
			return refuse("the fingerprint of the key broker is not 64 hexadecimal digits");
		pin[i / 2] = pin[i / 2] << 4 | (digit - digits);
	}
	return text[2 * PIN_BYTES] ? refuse("the fingerprint of the key broker is too long") : 0;
}

static bool parse_port(const char *text, in_port_t *ret)
{
	unsigned int port = 0;

	if (!*text || strlen(text) > 5)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		port = port * 10 + *text - '0';
	}
	*ret = htons(port);
	return port && port <= 65535;
}

/* Take ADDRESS, [ADDRESS], and a port behind either, apart. */
static bool parse_authority(struct broker *ret, char *text)
{
	struct sockaddr_in *four = (struct sockaddr_in *)&ret->address;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&ret->address;
	in_port_t port = htons(PORT_DEFAULT);
	bool bracket = *text == '[';
	char *end = strchr(text, bracket ? ']' : ':');

	if (bracket) {
		if (!end)
			return false;
		*end++ = '\0';
		text++;
	}
	if (end && *end) {
		if (*end != ':' || !parse_port(end + 1, &port))
			return false;
		*end = '\0';
	}
	if (bracket) {
		*six = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = port };
		ret->address_bytes = sizeof(*six);
		return inet_pton(AF_INET6, text, &six->sin6_addr) == 1;
	}
	*four = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = port };
	ret->address_bytes = sizeof(*four);
	return inet_pton(AF_INET, text, &four->sin_addr) == 1;
}

int broker_parse(struct broker *ret, const char *url, const char *pin)
{
	static const char scheme[] = "https://";
	char authority[HOST_MAX];
	size_t length;

	if (strncmp(url, scheme, strlen(scheme)))
		return refuse("'%.80s' is not https://ADDRESS[:PORT]", url);
	url += strlen(scheme);
	length = strcspn(url, "/");
	if (length >= sizeof(authority) || (url[length] && url[length + 1]))
		return refuse("'%.80s' is not https://ADDRESS[:PORT]", url);
	memcpy(authority, url, length);
	authority[length] = '\0';
	memcpy(ret->host, authority, sizeof(authority));
	if (!parse_authority(ret, authority))
		return refuse("'%.80s' is not https://ADDRESS[:PORT], with an address and no name", url);
	return parse_pin(ret->pin, pin);
}

static int connect_to(const struct broker *broker)
{
	const struct timeval patience = { .tv_sec = TIMEOUT_SECONDS };
	int sock = socket(broker->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (sock < 0)
		return refuse("cannot make a socket: %s", strerror(errno));
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (!connect(sock, (const struct sockaddr *)&broker->address, broker->address_bytes))
		return sock;
	refuse("cannot reach the key broker %s: %s", broker->host, strerror(errno));
	close(sock);
	return -EBADMSG;
}

/* The pin stands for the chain, the name and the dates. */
static int check_pin(const struct broker *broker, SSL *tls)
{
	X509 *certificate = SSL_get0_peer_certificate(tls);
	uint8_t found[PIN_BYTES];

	if (!certificate || !X509_digest(certificate, EVP_sha256(), found, NULL))
		return refuse("the key broker %s shows no certificate", broker->host);
	if (CRYPTO_memcmp(found, broker->pin, sizeof(found)))
		return refuse("the certificate of %s is not the pinned one of the key broker",
			      broker->host);
	return 0;
}

static int send_all(SSL *tls, const char *request, size_t bytes)
{
	return SSL_write(tls, request, bytes) == (int)bytes ? 0 :
		refuse("the key broker hangs up while it is asked");
}

static int receive(struct broker *broker, SSL *tls, struct answer *ret)
{
	size_t have = 0, expected = ANSWER_MAX;
	long head = 0, whole;
	int now;

	while (have < expected) {
		now = SSL_read(tls, broker->answer + have, expected - have);
		if (now <= 0)
			break;
		have += now;
		if (head)
			continue;
		head = answer_head(broker->answer, have);
		if (head < 0)
			return head;
		if (!head)
			continue;
		whole = answer_length(broker->answer, head);
		if (whole < 0)
			return whole;
		if ((size_t)whole < have)
			return refuse("the key broker's answer is longer than it says");
		expected = whole;
	}
	if (!head || have < expected)
		return refuse("the key broker %s hangs up, or takes longer than 20 s", broker->host);
	return answer_parse(ret, broker->answer, have);
}

static int exchange(struct broker *broker, SSL *tls, const char *request, size_t bytes,
		    struct answer *ret)
{
	int err;

	if (SSL_connect(tls) != 1)
		return refuse("no TLS 1.3 with the key broker %s", broker->host);
	err = check_pin(broker, tls);
	if (!err)
		err = send_all(tls, request, bytes);
	if (!err)
		err = receive(broker, tls, ret);
	SSL_shutdown(tls);
	return err;
}

int broker_exchange(struct broker *broker, const char *request, size_t bytes, struct answer *ret)
{
	int sock = connect_to(broker), err = -EBADMSG;
	SSL_CTX *context;
	SSL *tls = NULL;

	if (sock < 0)
		return sock;
	context = SSL_CTX_new(TLS_client_method());
	if (context && SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION)) {
		SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);	/* check_pin() */
		tls = SSL_new(context);
	}
	if (tls && SSL_set_fd(tls, sock))
		err = exchange(broker, tls, request, bytes, ret);
	else
		refuse("cannot set TLS up");
	SSL_free(tls);
	SSL_CTX_free(context);
	close(sock);
	return err;
}
