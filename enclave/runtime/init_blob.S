/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The files of the initramfs that are known at build time. The build defines
 * RT_BLOB_INIT and, where there are such things, RT_BLOB_KEYS (a key broker's
 * client), RT_BLOB_EXT4 (an empty file system) and RT_BLOB_LIBC, each as the file's name in quotes.
 */
	.section .rodata.rt_blob, "a", @progbits

	.balign 16
	.globl rt_blob_init_start, rt_blob_init_end
	.hidden rt_blob_init_start, rt_blob_init_end
rt_blob_init_start:
	.incbin RT_BLOB_INIT
rt_blob_init_end:

#ifdef RT_BLOB_KEYS
	.balign 16
	.globl rt_blob_keys_start, rt_blob_keys_end
	.hidden rt_blob_keys_start, rt_blob_keys_end
rt_blob_keys_start:
	.incbin RT_BLOB_KEYS
rt_blob_keys_end:
#endif

#ifdef RT_BLOB_EXT4
	.balign 16
	.globl rt_blob_ext4_start, rt_blob_ext4_end
	.hidden rt_blob_ext4_start, rt_blob_ext4_end
rt_blob_ext4_start:
	.incbin RT_BLOB_EXT4
rt_blob_ext4_end:
#endif

#ifdef RT_BLOB_LIBC
	.balign 16
	.globl rt_blob_libc_start, rt_blob_libc_end
	.hidden rt_blob_libc_start, rt_blob_libc_end
rt_blob_libc_start:
	.incbin RT_BLOB_LIBC
rt_blob_libc_end:
#endif

	.section .note.GNU-stack, "", @progbits
