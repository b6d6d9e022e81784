/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAKEEXEC_H
#define FAKEEXEC_H

/* Number of calls so far, in memory shared with all children and the test. */
extern __attribute__((visibility("hidden"))) unsigned long *fake_counter;

/* Addresses in the entry: see there. */
extern char fake_entry[], fake_plain[], fake_lowered[], fake_syscall[];
extern char fake_done[], fake_loaded[], fake_raised[];

#endif
