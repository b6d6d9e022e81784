// SPDX-License-Identifier: GPL-2.0-only
/*
 * The owner of a sealed image: takes the certificate that the enclave was
 * started with as the only one that dm-verity trusts, checks the signature of
 * the sealed configuration against it, and measures. /proc/sealed tells PID 1
 * the outcome: "refused: ..." or the digests, a line each.
 */
#define pr_fmt(fmt) "sealed: " fmt

#include <crypto/hash.h>
#include <crypto/sha2.h>
#include <linux/base64.h>
#include <linux/init.h>
#include <linux/key.h>
#include <linux/ktime.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/verification.h>
#include <asm/runtime_sealed.h>

#include "../../../crypto/asymmetric_keys/x509_parser.h"
#include "../../../security/keys/internal.h"

static const char configuration_title[] = "rkt-io sealed configuration 1\n";
static const char measurement_title[] = "rkt-io measurement 1\n";

/* rktio/common/pkcs7.py bounds it too. */
enum { SIGNATURE_MAX = 4096 };

struct digest {
	u8 bytes[SHA384_DIGEST_SIZE];
};

static struct {
	const char *refusal;
	u8 fingerprint[SHA256_DIGEST_SIZE];
	struct digest executable, owner, configuration, measurement;
} outcome;

struct span {
	const u8 *start;
	size_t len;
};

static int __init hash(const char *algorithm, const void *data, size_t len, u8 *ret)
{
	struct crypto_shash *tfm = crypto_alloc_shash(algorithm, 0, 0);
	int err;

	if (IS_ERR(tfm))
		return PTR_ERR(tfm);
	err = crypto_shash_tfm_digest(tfm, data, len, ret);
	crypto_free_shash(tfm);
	return err;
}

/* ---- The owner's certificate ---- */

/*
 * Step over one DER element of @all; @ret_content is what is in it. The
 * kernel's parser has accepted the certificate before, so that this only has
 * to stay within bounds.
 */
static bool __init der_next(struct span *all, struct span *ret_content)
{
	size_t header = 2, len;

	if (all->len < header)
		return false;
	len = all->start[1];
	if (len & 0x80) {
		unsigned int count = len & 0x7f;

		if (!count || count > 3 || all->len < header + count)
			return false;
		for (len = 0; count--; header++)
			len = len << 8 | all->start[header];
	}
	if (len > all->len - header)
		return false;
	*ret_content = (struct span){ all->start + header, len };
	all->start += header + len;
	all->len -= header + len;
	return true;
}

/* RFC 5280, 4.1: what is measured is the SubjectPublicKeyInfo, whole. */
static bool __init find_public_key(struct span all, struct span *ret)
{
	struct span certificate, fields, ignored;
	int before = 5;		/* serial, algorithm, issuer, validity, subject */

	if (!der_next(&all, &certificate) || !der_next(&certificate, &fields))
		return false;
	if (fields.len && fields.start[0] == 0xa0)	/* version */
		before++;
	while (before--)
		if (!der_next(&fields, &ignored))
			return false;
	ret->start = fields.start;
	if (!der_next(&fields, &ignored))
		return false;
	ret->len = fields.start - ret->start;
	return true;
}

static const char * __init check_validity(const struct x509_certificate *certificate)
{
	time64_t now = ktime_get_real_seconds();

	if (now < certificate->valid_from)
		return "signature: the owner's certificate is not valid yet by the host's clock";
	if (now > certificate->valid_to)
		return "signature: the owner's certificate has expired; make a new key and sign again";
	return NULL;
}

/* The keyring has no other way in: its name begins with a dot. */
static struct key * __init trusted_keyring(void)
{
	struct rb_node *node;
	struct key *found = NULL;

	spin_lock(&key_serial_lock);
	for (node = rb_first(&key_serial_tree); node && !found; node = rb_next(node)) {
		struct key *key = rb_entry(node, struct key, serial_node);

		if (key->type == &key_type_keyring &&
		    !strcmp(key->description, ".builtin_trusted_keys"))
			found = key_get(key);
	}
	spin_unlock(&key_serial_lock);
	return found;
}

static int __init trust(const struct span *certificate)
{
	struct key *keyring = trusted_keyring();
	key_ref_t key;

	if (!keyring)
		return -ENOKEY;
	key = key_create_or_update(make_key_ref(keyring, true), "asymmetric", "rkt-io owner",
				   certificate->start, certificate->len,
				   KEY_POS_ALL & ~KEY_POS_SETATTR,
				   KEY_ALLOC_NOT_IN_QUOTA | KEY_ALLOC_BYPASS_RESTRICTION);
	key_put(keyring);
	if (IS_ERR(key))
		return PTR_ERR(key);
	key_ref_put(key);
	return 0;
}

static const char * __init check_owner(const struct span *certificate)
{
	struct x509_certificate *parsed = x509_cert_parse(certificate->start, certificate->len);
	struct span key;
	const char *refusal;

	if (IS_ERR(parsed))
		return "signature: the owner's key is no X.509 certificate with RSA or ECDSA P-256 or P-384";
	refusal = check_validity(parsed);
	x509_free_certificate(parsed);
	if (refusal)
		return refusal;
	if (!find_public_key(*certificate, &key) ||
	    hash("sha384", key.start, key.len, outcome.owner.bytes) ||
	    hash("sha256", certificate->start, certificate->len, outcome.fingerprint))
		return "signature: the owner's key cannot be measured";
	if (trust(certificate))
		return "signature: the owner's certificate cannot be used";
	return NULL;
}

/* ---- The sealed configuration ---- */

static bool __init take_line(struct span *rest, struct span *ret)
{
	const u8 *end = memchr(rest->start, '\n', rest->len);

	if (!end)
		return false;
	*ret = (struct span){ rest->start, end - rest->start };
	rest->start = end + 1;
	rest->len -= ret->len + 1;
	return true;
}

/* The signature's bytes, or a negative number; base64 in its one spelling. */
static int __init decode_signature(const struct span *text, u8 *signature, char *again)
{
	int len;

	if (!text->len || text->len > SIGNATURE_MAX)
		return -EINVAL;
	len = base64_decode(text->start, text->len, signature);
	if (len < 0 || base64_encode(signature, len, again) != text->len ||
	    memcmp(again, text->start, text->len))
		return -EINVAL;
	return len;
}

static const char * __init check_signature(const struct span *message, const struct span *text)
{
	const char *refusal = NULL;
	u8 *signature = kmalloc(SIGNATURE_MAX, GFP_KERNEL);
	char *again = kmalloc(2 * SIGNATURE_MAX, GFP_KERNEL);
	int len, err;

	if (!signature || !again) {
		refusal = "configuration: out of memory; give the enclave more (--memory)";
		goto out;
	}
	len = decode_signature(text, signature, again);
	if (len < 0) {
		refusal = "configuration: its signature is not base64 of PKCS#7";
		goto out;
	}
	err = verify_pkcs7_signature(message->start, message->len, signature, len, NULL,
				     VERIFYING_UNSPECIFIED_SIGNATURE, NULL, NULL);
	if (err == -ENOKEY)
		refusal = "configuration: signature: by another certificate than the owner's";
	else if (err)
		refusal = "configuration: signature: not the owner's over this configuration";
out:
	kfree(again);
	kfree(signature);
	return refusal;
}

static const char * __init check_configuration(const struct rt_sealed *sealed)
{
	struct span rest = { sealed->document, sealed->document_bytes };
	const size_t title = sizeof(configuration_title) - 1;
	struct span message, signature;
	const char *refusal;

	if (rest.len < title || memcmp(rest.start, configuration_title, title))
		return "configuration: this is not a sealed configuration; rkt-io config sign makes one";
	rest.start += title;
	rest.len -= title;
	if (!take_line(&rest, &message) || !take_line(&rest, &signature) || rest.len)
		return "configuration: not exactly title, configuration and signature";
	refusal = check_signature(&message, &signature);
	if (!refusal && hash("sha384", message.start, message.len, outcome.configuration.bytes))
		refusal = "configuration: cannot be measured";
	return refusal;
}

/* ---- The measurement: docs/configuration.md ---- */

static const char * __init measure(const struct rt_sealed *sealed)
{
	struct {
		char title[sizeof(measurement_title) - 1];
		struct digest executable, owner, configuration;
	} __packed all;

	if (hash("sha384", sealed->host_executable, sealed->host_executable_bytes,
		 outcome.executable.bytes))
		return "measurement: the executable cannot be hashed";
	memcpy(all.title, measurement_title, sizeof(all.title));
	all.executable = outcome.executable;
	all.owner = outcome.owner;
	all.configuration = outcome.configuration;
	if (hash("sha384", &all, sizeof(all), outcome.measurement.bytes))
		return "measurement: cannot be computed";
	return NULL;
}

static int sealed_show(struct seq_file *file, void *unused)
{
	if (outcome.refusal) {
		seq_printf(file, "refused: %s\n", outcome.refusal);
		return 0;
	}
	seq_printf(file, "measurement: %*phN\n", SHA384_DIGEST_SIZE, outcome.measurement.bytes);
	seq_printf(file, "executable: %*phN\n", SHA384_DIGEST_SIZE, outcome.executable.bytes);
	seq_printf(file, "owner: %*phN\n", SHA384_DIGEST_SIZE, outcome.owner.bytes);
	seq_printf(file, "configuration: %*phN\n", SHA384_DIGEST_SIZE, outcome.configuration.bytes);
	seq_printf(file, "certificate: %*phN\n", SHA256_DIGEST_SIZE, outcome.fingerprint);
	return 0;
}

static int __init sealed_init(void)
{
	const struct rt_sealed *sealed = rt_sealed();
	struct span certificate;

	if (!sealed)
		return 0;
	certificate = (struct span){ sealed->certificate, sealed->certificate_bytes };
	outcome.refusal = check_owner(&certificate);
	if (!outcome.refusal)
		outcome.refusal = check_configuration(sealed);
	if (!outcome.refusal)
		outcome.refusal = measure(sealed);
	/* Without the file PID 1 stops the start. */
	proc_create_single("sealed", 0444, NULL, sealed_show);
	return 0;
}
late_initcall(sealed_init);
