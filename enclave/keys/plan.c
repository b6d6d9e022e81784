// SPDX-License-Identifier: Apache-2.0
/* From the sealed configuration to the list of keys; docs/configuration.md has its form. */
#include "plan.h"

#include "refusal.h"
#include "session.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define CONFIGURATION "sealed_config="

static const char *find_configuration(const char *record, size_t length)
{
	const char *entry = record, *end = record + length;

	if (!length || record[length - 1])
		return NULL;
	for (; entry < end; entry += strlen(entry) + 1)
		if (!strncmp(entry, CONFIGURATION, strlen(CONFIGURATION)))
			return entry + strlen(CONFIGURATION);
	return NULL;
}

static bool is_hexadecimal(const char *text)
{
	return text && strlen(text) == FINGERPRINT_CHARACTERS &&
	       strspn(text, "0123456789abcdef") == FINGERPRINT_CHARACTERS;
}

static int want(struct plan *plan, const char *resources, const char *kind, const char *name)
{
	struct wanted *wanted = &plan->wanted[plan->count];

	if (plan->count == PLAN_KEYS_MAX)
		return refuse("the sealed configuration needs more than %d keys", PLAN_KEYS_MAX);
	if (snprintf(wanted->name, sizeof(wanted->name), "%s%s", kind, name) >= PLAN_NAME_MAX ||
	    snprintf(wanted->path, sizeof(wanted->path), "%s/%s%s", resources, kind, name) >= PLAN_PATH_MAX)
		return refuse("the sealed configuration has a name that is too long");
	plan->count++;
	return session_check_path(wanted->path);
}

static int want_all(struct plan *plan, const char *resources, const json_t *configuration)
{
	const json_t *disk, *peer;
	size_t i;
	int err = 0;

	if (json_is_true(json_object_get(json_object_get(configuration, "root"), "encrypted")))
		err = want(plan, resources, "root", "");
	json_array_foreach(json_object_get(configuration, "data"), i, disk) {
		const char *name = json_string_value(json_object_get(disk, "name"));

		if (!err)
			err = name ? want(plan, resources, "data-", name) :
				     refuse("the sealed configuration has a data disk without a name");
	}
	if (!err && json_object_get(configuration, "wireguard"))
		err = want(plan, resources, "wireguard", "");
	json_array_foreach(json_object_get(json_object_get(configuration, "wireguard"), "peer"), i, peer) {
		const char *preshared = json_string_value(json_object_get(peer, "preshared-key"));

		if (!err && preshared)
			err = want(plan, resources, "", preshared);
	}
	return err;
}

static int plan_of(struct plan *plan, const json_t *configuration)
{
	const json_t *keys = json_object_get(configuration, "keys");
	const char *fingerprint = json_string_value(json_object_get(keys, "fingerprint"));
	const char *resources = json_string_value(json_object_get(keys, "resources"));

	if (!keys)
		return refuse("the sealed configuration has no [keys]: it has to name the key broker's certificate");
	if (!is_hexadecimal(fingerprint) || !resources)
		return refuse("the sealed configuration's [keys] has no good fingerprint and resources");
	strcpy(plan->fingerprint, fingerprint);
	return want_all(plan, resources, configuration);
}

int plan_parse(struct plan *ret, const char *record, size_t length)
{
	const char *text = find_configuration(record, length);
	const char *start = text ? strchr(text, '\n') : NULL;
	const char *end = start ? strchr(start + 1, '\n') : NULL;
	json_t *configuration;
	int err;

	memset(ret, 0, sizeof(*ret));
	if (!end)
		return refuse("keys come only to a sealed configuration, and there is none");
	configuration = json_loadb(start + 1, end - start - 1, JSON_REJECT_DUPLICATES, NULL);
	err = json_is_object(configuration) ? plan_of(ret, configuration) :
					      refuse("the sealed configuration is not a JSON object");
	json_decref(configuration);
	if (!err && !ret->count)
		err = refuse("the sealed configuration needs no keys");
	return err;
}
