/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The form of a detached PKCS#7 signature (rktio/common/pkcs7.py). The library
 * kernel verifies signatures, but passes over fields that it has no use for;
 * here every byte has to be the one that the owner's tools write.
 */
#ifndef INIT_PKCS7_H
#define INIT_PKCS7_H

#include <stdbool.h>
#include <stddef.h>

bool pkcs7_has_one_form(const unsigned char *signature, size_t len);

#endif /* INIT_PKCS7_H */
