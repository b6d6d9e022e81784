// SPDX-License-Identifier: Apache-2.0
/* virtio's header before a frame, and the frame: what does not fit it is refused. */
#include "../../../enclave/runtime/vnet_hdr.h"
#include "net_host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct rte_mbuf *m = rte_pktmbuf_alloc(net_pool()), *last = m;
	struct virtio_net_hdr hdr, out = { 0 };

	CHECK(m);
	take(&in, &hdr, sizeof(hdr));
	/* Several segments of a frame, as a peer may cut it. */
	while (in.left && m->nb_segs < 8) {
		uint16_t n = (uint16_t)(1 + take8(&in) * 4u);

		if (last->data_len) {
			struct rte_mbuf *next = rte_pktmbuf_alloc(net_pool());

			CHECK(next);
			last->next = next;
			last = next;
			m->nb_segs++;
		}
		n = n < in.left ? n : (uint16_t)in.left;
		take(&in, rte_pktmbuf_mtod(last, void *), n);
		last->data_len = n;
		m->pkt_len += n;
	}
	if (!vnet_hdr_parse(m, &hdr)) {
		CHECK(!(m->ol_flags & RTE_MBUF_F_RX_LRO) || m->tso_segsz);
		vnet_hdr_fill(m, &out);
	}
	rte_pktmbuf_free(m);
	net_check_pool();
	return 0;
}
