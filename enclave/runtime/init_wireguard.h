/* SPDX-License-Identifier: GPL-2.0-only */
/* WireGuard inside the library OS, and a wire that carries nothing else. */
#ifndef INIT_WIREGUARD_H
#define INIT_WIREGUARD_H

/* Marks the tunnel's own datagrams; any value that nobody else uses. */
enum { WIREGUARD_MARK = 0x7267 };

/*
 * Where the record lets nothing else pass eth0, see to it before that is up;
 * a wire over which a key broker has to be asked first is closed after that.
 */
void wireguard_before_eth0(void);

/*
 * Make wg0 as the launch record says, and close eth0 to everything else where
 * that is still to do. eth0 is up, and the owner's keys are here.
 */
void wireguard_all(void);

/*
 * init_filter.c: drop what enters or leaves @device and is neither UDP of
 * @port nor the search for neighbours, until this process ends.
 */
void filter_allow_only(const char *device, unsigned int port);

#endif /* INIT_WIREGUARD_H */
