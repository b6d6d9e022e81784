// SPDX-License-Identifier: Apache-2.0
/* Messages of vhost-user, as a socket may give them: whole, cut off, or nonsense. */
#include "../../../enclave/runtime/vhost_msg.h"
#include "net_host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct vhost_msg msg;
	struct vhost_fds fds;
	int got;

	net_fds = take8(&in) % 16;
	net_socket = &in;
	do {
		got = vhost_receive(40, &msg, &fds, 0);
		CHECK(fds.count >= 0 && fds.count <= VHOST_REGIONS_MAX);
		CHECK(got < 1 || msg.size <= VHOST_PAYLOAD_MAX);
		vhost_close_fds(&fds);
	} while (got > 0);
	net_socket = NULL;
	return 0;
}
