/* SPDX-License-Identifier: GPL-2.0-only */
/* Nothing is required or disabled at build time: libos_cpu_has() decides. */
