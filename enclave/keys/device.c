// SPDX-License-Identifier: Apache-2.0
/* /dev/rktio-tee, where evidence comes from. */
#include "../libos/overlay/include/uapi/linux/rktio_tee.h"
#include "evidence.h"
#include "refusal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int device_open(void)
{
	int device = open("/dev/rktio-tee", O_RDWR | O_CLOEXEC);

	return device < 0 ? refuse("cannot open /dev/rktio-tee: %s", strerror(errno)) : device;
}

int device_tee(int device, uint32_t *tee)
{
	struct rktio_tee_evidence head;

	if (read(device, &head, sizeof(head)) != sizeof(head) || !evidence_tee(head.tee))
		return refuse("/dev/rktio-tee does not say which TEE this is");
	*tee = head.tee;
	return 0;
}

long device_ask(int device, const uint8_t report_data[REPORT_DATA_BYTES], uint8_t *raw)
{
	long bytes;

	if (write(device, report_data, REPORT_DATA_BYTES) != REPORT_DATA_BYTES)
		return refuse("the TEE gives no evidence: %s", strerror(errno));
	bytes = read(device, raw, EVIDENCE_BYTES_MAX);
	return bytes < 0 ? refuse("the TEE's evidence cannot be read: %s", strerror(errno)) : bytes;
}
