// SPDX-License-Identifier: GPL-2.0-only
/* The Internet checksum, 64 bytes a step. */
#include <linux/string.h>
#include <linux/types.h>
#include <linux/unaligned.h>
#include <asm/checksum.h>

static u32 fold(u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

unsigned int do_csum(const unsigned char *buff, int len)
{
	u64 sum = 0, last = 0;

	for (; len >= 64; buff += 64, len -= 64)
		asm("addq 0*8(%1), %0\n"
		    "adcq 1*8(%1), %0\n"
		    "adcq 2*8(%1), %0\n"
		    "adcq 3*8(%1), %0\n"
		    "adcq 4*8(%1), %0\n"
		    "adcq 5*8(%1), %0\n"
		    "adcq 6*8(%1), %0\n"
		    "adcq 7*8(%1), %0\n"
		    "adcq $0, %0"
		    : "+r" (sum) : "r" (buff), "m" (*(const char (*)[64])buff));
	for (; len >= 8; buff += 8, len -= 8)
		asm("addq %1, %0\n"
		    "adcq $0, %0" : "+r" (sum) : "m" (*(const u64 *)buff));
	if (len) {
		memcpy(&last, buff, len);
		asm("addq %1, %0\n"
		    "adcq $0, %0" : "+r" (sum) : "r" (last));
	}
	return fold(sum);
}
