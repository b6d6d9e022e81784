// SPDX-License-Identifier: GPL-2.0-only
/* One signer, SHA-256, no attributes, no certificates (RFC 5652, in DER). */
#include "init.h"
#include "init_pkcs7.h"

enum tag {
	INTEGER = 0x02, OCTETS = 0x04, OID = 0x06, SEQUENCE = 0x30, SET = 0x31,
	CONTEXT_0 = 0xa0,
};

struct span {
	const unsigned char *start;
	size_t len;
};

/* Step over one element that has @tag and the shortest length there is. */
static bool take(struct span *all, enum tag tag, struct span *ret_content)
{
	size_t header = 2, len;

	if (all->len < header || all->start[0] != tag)
		return false;
	len = all->start[1];
	if (len > 0x82 || len == 0x80)
		return false;
	if (len & 0x80) {
		size_t digits = len & 0x7f;

		if (all->len < header + digits)
			return false;
		for (len = 0; digits--; header++)
			len = len << 8 | all->start[header];
		if (len < (header == 3 ? 0x80 : 0x100))
			return false;
	}
	if (len > all->len - header)
		return false;
	*ret_content = (struct span){ all->start + header, len };
	all->start += header + len;
	all->len -= header + len;
	return true;
}

/* Step over exactly these bytes. */
static bool take_bytes(struct span *all, const unsigned char *bytes, size_t len)
{
	if (all->len < len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (all->start[i] != bytes[i])
			return false;
	all->start += len;
	all->len -= len;
	return true;
}

#define TAKE(all, ...) ({						\
	static const unsigned char bytes_[] = { __VA_ARGS__ };		\
	take_bytes(all, bytes_, sizeof(bytes_));			\
})

/* Writers differ: some put NULL after SHA-256 (RFC 5754 allows both). */
static bool take_digest(struct span *all)
{
	return TAKE(all, SEQUENCE, 11, OID, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1) ||
	       TAKE(all, SEQUENCE, 13, OID, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0);
}

/* ECDSA with SHA-256, or RSA in one of its two names. */
static bool take_algorithm(struct span *all)
{
	return TAKE(all, SEQUENCE, 10, OID, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2) ||
	       TAKE(all, SEQUENCE, 13, OID, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0) ||
	       TAKE(all, SEQUENCE, 13, OID, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11, 5, 0);
}

static bool check_signer(struct span signer)
{
	struct span identity, issuer, serial, value;

	return TAKE(&signer, INTEGER, 1, 1) &&
	       take(&signer, SEQUENCE, &identity) &&
	       take_digest(&signer) && take_algorithm(&signer) &&
	       take(&signer, OCTETS, &value) && !signer.len &&
	       take(&identity, SEQUENCE, &issuer) &&
	       take(&identity, INTEGER, &serial) && !identity.len;
}

bool pkcs7_has_one_form(const unsigned char *signature, size_t len)
{
	struct span all = { signature, len };
	struct span outer, wrapped, fields, digests, signers, signer;

	return take(&all, SEQUENCE, &outer) && !all.len &&
	       /* signedData */
	       TAKE(&outer, OID, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2) &&
	       take(&outer, CONTEXT_0, &wrapped) && !outer.len &&
	       take(&wrapped, SEQUENCE, &fields) && !wrapped.len &&
	       TAKE(&fields, INTEGER, 1, 1) &&
	       take(&fields, SET, &digests) && take_digest(&digests) && !digests.len &&
	       /* data, which is elsewhere */
	       TAKE(&fields, SEQUENCE, 11, OID, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1) &&
	       take(&fields, SET, &signers) && !fields.len &&
	       take(&signers, SEQUENCE, &signer) && !signers.len &&
	       check_signer(signer);
}
