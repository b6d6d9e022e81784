// SPDX-License-Identifier: Apache-2.0
/*
 * Stands for device.c and given.c outside of an enclave: the files that PID 1
 * leaves, and evidence, come from a folder of the test's (STAND). Evidence is
 * asked for through two FIFOs, so that the test can bind it to report data.
 */
#include "given.h"
#include "refusal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FILE *open_in(const char *name, const char *mode)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", getenv("STAND"), name);
	file = fopen(path, mode);
	if (!file)
		refuse("the test has no %s", name);
	return file;
}

static long read_all(const char *name, void *dst, size_t room)
{
	FILE *file = open_in(name, "r");
	long bytes = file ? (long)fread(dst, 1, room, file) : -1;

	if (file)
		fclose(file);
	return bytes;
}

int given_plan(struct plan *ret)
{
	static char record[1 << 20];
	long bytes = read_all("launch", record, sizeof(record));

	return bytes < 0 ? -EBADMSG : plan_parse(ret, record, bytes);
}

int given_measurement(uint8_t measurement[MEASUREMENT_BYTES])
{
	return read_all("measurement", measurement, MEASUREMENT_BYTES) < 0 ? -EBADMSG : 0;
}

int device_open(void)
{
	return 100;
}

int device_tee(int device, uint32_t *tee)
{
	(void)device;
	return read_all("tee", tee, sizeof(*tee)) < 0 ? -EBADMSG : 0;
}

long device_ask(int device, const uint8_t report_data[REPORT_DATA_BYTES], uint8_t *raw)
{
	FILE *question = open_in("question", "w");

	(void)device;
	if (!question)
		return -EBADMSG;
	fwrite(report_data, 1, REPORT_DATA_BYTES, question);
	fclose(question);
	return read_all("answer", raw, EVIDENCE_BYTES_MAX);
}
