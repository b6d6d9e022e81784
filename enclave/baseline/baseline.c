// SPDX-License-Identifier: GPL-2.0-only
/* Which way I/O goes, decided once, before anything else is set up. */
#include "baseline.h"

void rt_baseline_start(struct rt_launch *launch)
{
	switch (launch->io) {
	case RT_IO_DIRECT:
		return;
	case RT_IO_LIBOS_HOST:
		rt_baseline_start_hosted(launch);
		return;
	case RT_IO_SWITCHLESS:
	case RT_IO_SYNC:
		rt_baseline_start_program(launch);
	}
}
