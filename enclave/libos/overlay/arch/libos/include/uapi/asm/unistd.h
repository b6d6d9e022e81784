/* SPDX-License-Identifier: GPL-2.0-only */
#include <asm/unistd_64.h>
