/* SPDX-License-Identifier: GPL-2.0-only */
/* The program of sync and switchless, as data: no text of the enclave's. */
	.section .rodata.baseline_blob, "a", @progbits

	.balign 16
	.globl baseline_program_start, baseline_program_end
	.hidden baseline_program_start, baseline_program_end
baseline_program_start:
	.incbin BASELINE_PROGRAM
baseline_program_end:

	.section .note.GNU-stack, "", @progbits
