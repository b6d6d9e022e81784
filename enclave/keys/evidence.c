// SPDX-License-Identifier: Apache-2.0
/* From the TEE's own formats to the protocol's JSON. */
#include "evidence.h"

#include "../libos/overlay/include/uapi/linux/rktio_tee.h"
#include "base64.h"
#include "hexadecimal.h"
#include "refusal.h"

#include <stdio.h>
#include <string.h>

#define PROCESS_WARNING \
	"NOT A TEE: an ordinary process; its host can read its memory and forge this evidence"

enum {
	/* GHCB 2.03, 4.1.8.1: an entry is a GUID, an offset and a length. */
	TABLE_ENTRY_BYTES = 24,
	GUID_BYTES = 16,
	TABLE_ENTRIES_MAX = 16,
};

/* The certificate of the key that signed a report. */
struct leaf {
	const char *type;
	const uint8_t *der;
	size_t bytes;
};

const char *evidence_tee(uint32_t tee)
{
	switch (tee) {
	case RKTIO_TEE_PROCESS:
		return "process";
	case RKTIO_TEE_SNP:
		return "snp";
	case RKTIO_TEE_TDX:
		return "tdx";
	default:
		return NULL;
	}
}

int evidence_parse(struct evidence *ret, const uint8_t *raw, size_t length)
{
	struct rktio_tee_evidence head;

	if (length < sizeof(head))
		return refuse("the TEE's evidence is cut off");
	memcpy(&head, raw, sizeof(head));
	if (head.primary_bytes > RKTIO_TEE_BLOB_BYTES_MAX ||
	    head.auxiliary_bytes > RKTIO_TEE_BLOB_BYTES_MAX || head.reserved ||
	    length - sizeof(head) != (size_t)head.primary_bytes + head.auxiliary_bytes ||
	    !evidence_tee(head.tee))
		return refuse("the TEE's evidence is malformed");
	ret->tee = head.tee;
	ret->primary = raw + sizeof(head);
	ret->primary_bytes = head.primary_bytes;
	ret->auxiliary = ret->primary + ret->primary_bytes;
	ret->auxiliary_bytes = head.auxiliary_bytes;
	return 0;
}

static long process_json(char *dst, size_t room, const struct evidence *evidence,
			 const uint8_t report_data[REPORT_DATA_BYTES])
{
	char measured[2 * MEASUREMENT_BYTES + 1], data[2 * REPORT_DATA_BYTES + 1];

	if (evidence->primary_bytes != MEASUREMENT_BYTES || evidence->auxiliary_bytes)
		return refuse("the measurement is not 48 bytes");
	hexadecimal(measured, evidence->primary, MEASUREMENT_BYTES);
	hexadecimal(data, report_data, REPORT_DATA_BYTES);
	return snprintf(dst, room, "{\"warning\":\"" PROCESS_WARNING "\","
			"\"measurement\":\"%s\",\"report_data\":\"%s\"}", measured, data);
}

static uint32_t little_endian(const uint8_t *at)
{
	return at[0] | at[1] << 8 | at[2] << 16 | (uint32_t)at[3] << 24;
}

/* VCEK or VLEK; their GUIDs stand in the table as they are written. */
static const char *leaf_type(const uint8_t guid[GUID_BYTES])
{
	static const uint8_t vcek[] = { 0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64,
					0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac, 0xcd };
	static const uint8_t vlek[] = { 0xa8, 0x07, 0x4b, 0xc2, 0xa2, 0x5a, 0x48, 0x3e,
					0xaa, 0xe6, 0x39, 0xc0, 0x45, 0xa0, 0xb8, 0xa1 };

	if (!memcmp(guid, vcek, sizeof(vcek)))
		return "VCEK";
	return memcmp(guid, vlek, sizeof(vlek)) ? NULL : "VLEK";
}

static int find_leaf(struct leaf *ret, const uint8_t *table, size_t bytes)
{
	static const uint8_t end[GUID_BYTES];
	const uint8_t *entry = table;

	*ret = (struct leaf){ 0 };
	for (int i = 0; i < TABLE_ENTRIES_MAX; i++, entry += TABLE_ENTRY_BYTES) {
		uint32_t offset, length;
		const char *type;

		if ((size_t)(table + bytes - entry) < TABLE_ENTRY_BYTES ||
		    !memcmp(entry, end, sizeof(end)))
			break;
		type = leaf_type(entry);
		offset = little_endian(entry + GUID_BYTES);
		length = little_endian(entry + GUID_BYTES + 4);
		if (offset > bytes || length > bytes - offset)
			return refuse("the host's table of SNP certificates points out of itself");
		if (!type || ret->type)
			continue;
		if (!length || length > CERTIFICATE_BYTES_MAX)
			return refuse("the host's SNP certificate has %u bytes; 1 to 8192 are taken", length);
		*ret = (struct leaf){ type, table + offset, length };
	}
	if (!ret->type)
		return refuse("the host gives no VCEK or VLEK certificate with the SNP report; its "
			      "provider has to install one (SNP_SET_EXT_CONFIG)");
	return 0;
}

static long snp_json(char *dst, size_t room, const struct evidence *evidence)
{
	struct leaf leaf;
	long at;

	if (find_leaf(&leaf, evidence->auxiliary, evidence->auxiliary_bytes))
		return -EBADMSG;
	at = snprintf(dst, room, "{\"attestation_report\":\"");
	at += base64_encode(dst + at, evidence->primary, evidence->primary_bytes, BASE64);
	at += snprintf(dst + at, room - at, "\",\"cert_chain\":[{\"cert_type\":\"%s\",\"data\":\"",
		       leaf.type);
	at += base64_encode(dst + at, leaf.der, leaf.bytes, BASE64);
	return at + snprintf(dst + at, room - at, "\"}]}");
}

static long tdx_json(char *dst, size_t room, const struct evidence *evidence)
{
	long at = snprintf(dst, room, "{\"quote\":\"");

	at += base64_encode(dst + at, evidence->primary, evidence->primary_bytes, BASE64);
	return at + snprintf(dst + at, room - at, "\"}");
}

long evidence_json(char *dst, size_t room, const struct evidence *evidence,
		   const uint8_t report_data[REPORT_DATA_BYTES])
{
	if (room < 512 + base64_length(evidence->primary_bytes) + base64_length(CERTIFICATE_BYTES_MAX))
		return refuse("the evidence is too long");
	if (evidence->tee == RKTIO_TEE_PROCESS)
		return process_json(dst, room, evidence, report_data);
	if (!evidence->primary_bytes)
		return refuse("the TEE's evidence is empty");
	return evidence->tee == RKTIO_TEE_SNP ? snp_json(dst, room, evidence) :
						tdx_json(dst, room, evidence);
}
