/* SPDX-License-Identifier: Apache-2.0 */
/* What PID 1 has left for us in the initramfs, our root. */
#ifndef KEYS_GIVEN_H
#define KEYS_GIVEN_H

#include "evidence.h"
#include "plan.h"

/* The plan from /launch; 0, or -EBADMSG. */
int given_plan(struct plan *ret);

/* The enclave's measurement from /measurement; 0, or -EBADMSG. */
int given_measurement(uint8_t measurement[MEASUREMENT_BYTES]);

#endif /* KEYS_GIVEN_H */
