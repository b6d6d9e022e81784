/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_LIBOS_SWITCH_TO_H
#define _ASM_LIBOS_SWITCH_TO_H
extern struct task_struct *libos_switch_to(struct task_struct *prev, struct task_struct *next);
#define switch_to(prev, next, last) ((last) = libos_switch_to(prev, next))
#endif
