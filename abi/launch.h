/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The launch record: all that the launcher tells an enclave before it starts.
 *
 * NUL-terminated strings `key=value`, one after the other, in a descriptor
 * whose number is the enclave's only argument. Order matters among equal keys
 * only. The runtime checks every key and value and refuses to start (status
 * 125, one line on stderr) when it does not know one; the same bytes then
 * reach PID 1 of the library OS as /launch.
 *
 * rktio/host reads this table too: keep one X(...) per key, on its own line
 * or continued, with plain string literals.
 */
#ifndef ABI_LAUNCH_H
#define ABI_LAUNCH_H

#define LAUNCH_VERSION 1

/* Bounds: the runtime refuses what is beyond them. */
#define LAUNCH_BYTES_MAX	(1 << 20)	/* the whole record */
#define LAUNCH_CPUS_MAX		64
#define LAUNCH_DISKS_MAX	16		/* vda .. vdp */
#define LAUNCH_ADDRS_MAX	16		/* addr, gateway, dns: each */
#define LAUNCH_MEMORY_UNIT	(2 << 20)	/* memory_bytes is a multiple */
#define LAUNCH_MEMORY_MIN	(32 << 20)
#define LAUNCH_NET_QUEUES_MAX	8
#define LAUNCH_MTU_MIN		68		/* IPv6 asks for 1280 */
#define LAUNCH_MTU_MAX		65535
#define LAUNCH_PEERS_MAX	256		/* of WireGuard */
#define LAUNCH_HOSTNAME_MAX	64		/* __NEW_UTS_LEN */
#define LAUNCH_CERTIFICATE_MAX	8192
#define LAUNCH_SEALED_MAX	(256 << 10)	/* a sealed configuration */
#define LAUNCH_KEYS_BYTES_MAX	16384
#define LAUNCH_WORLD_SWITCH_CYCLES_MAX	10000000
#define LAUNCH_IO_THREADS_MAX	64

/* Exit status of an enclave that could not start its program. */
#define LAUNCH_STATUS_FAILED	125

/*
 * X(key, count, form, meaning); count is ONCE (must be there), MAYBE (at most
 * once) or MANY (any number, in order). arg is there at least once, unless a
 * sealed configuration says what runs: arg and env are then additions that it
 * has to allow by name, and cwd, hostname, sysctl, mount, addr, gateway and dns
 * are refused.
 */
#define LAUNCH_KEYS(X) \
	X(version, ONCE, "1", "layout of the record") \
	X(memory_bytes, ONCE, "N", "RAM of the library OS, a multiple of 2 MiB") \
	X(cpus, ONCE, "N", "CPUs of the library OS, one host thread each") \
	X(poll, MAYBE, "busy|adaptive|sleep", "what an idle CPU does; default adaptive") \
	X(loglevel, MAYBE, "0..8", "kernel messages below this level go to stderr; default 4") \
	X(stats, MAYBE, "0|1", "1: print counters on stderr at the end") \
	X(disk, MANY, "FD:rw|ro:direct|buffered|vhost-user", "one disk, in order vda, vdb, ...; its size is the descriptor's, or what a back end says (abi/vhost_disk.h)") \
	X(nvme, MANY, "DEVICE:CONTAINER:rw|ro:ADDRESS", "an NVMe controller, opened by VFIO (two descriptors), with its PCI address; its disks are nvmeXnY in order") \
	X(root, ONCE, "DEV:FSTYPE:rw|ro", "the disk (vda) that becomes / and its file system: ext4, or sealed for a sealed image") \
	X(mount, MANY, "DEV:PATH:FSTYPE:rw|ro", "one more disk (vdb, or nvme0n1: controller 0, namespace 1), or DEV=none for tmpfs and its kin, on an absolute path") \
	X(data_device, MANY, "NAME:DEV", "the disk that is the data disk of this name") \
	X(data, MANY, "NAME:open|format:PATH", "mount a data disk there, encrypted with the owner's key data-NAME; format: it is new") \
	X(net, MAYBE, "tap|virtio-user|vhost:FD:MAC:MTU[:server]", "the device behind eth0: a tap, or vhost-user's front or back end on a Unix socket, which listens (server) or is connected; without it there is only lo") \
	X(net_queue, MANY, "FD", "one more queue of the tap: a descriptor of the same tap, which has IFF_MULTI_QUEUE") \
	X(net_without, MANY, "csum|tso|lro|gso|gro|zerocopy", "an offload that eth0 does without, to measure what it is worth") \
	X(addr, MANY, "ADDRESS/PREFIX", "address of eth0, IPv4 or IPv6") \
	X(gateway, MANY, "ADDRESS", "default route, IPv4 or IPv6") \
	X(dns, MANY, "ADDRESS", "name server for /etc/resolv.conf; none: the image's file stays") \
	X(wireguard, MAYBE, "PORT:MTU:only|open", "a tunnel, wg0, on this UDP port of eth0; only: nothing else passes eth0") \
	X(wireguard_addr, MANY, "ADDRESS/PREFIX", "address of wg0, IPv4 or IPv6") \
	X(wireguard_peer, MANY, "KEY,SECONDS,ENDPOINT,PRESHARED,ADDRESS/PREFIX[,...]", "a peer: public key in base64, keep-alive (0: off), ADDRESS:PORT, name of the preshared key (-: none, both), its networks") \
	X(hostname, MAYBE, "NAME", "host name; default rkt-io") \
	X(sysctl, MANY, "NAME=VALUE", "one setting below /proc/sys, dots or slashes between its parts") \
	X(cwd, MAYBE, "PATH", "the program's directory, absolute; default /") \
	X(env, MANY, "NAME=VALUE", "the program's environment, complete") \
	X(arg, MANY, "STRING", "the program (a path, or a name looked up in PATH of env), then its arguments") \
	X(tty, MAYBE, "0|1", "1: stdin and stdout are a terminal; the program gets /dev/hvc0") \
	X(owner_key, MAYBE, "HEX", "the certificate of the image's owner, X.509 in DER") \
	X(sealed_config, MAYBE, "TEXT", "the owner's sealed configuration, three lines; PID 1 enforces it") \
	X(keys, MAYBE, "URL", "the key broker that init asks for the keys, through /rkt-io-keys") \
	X(insecure_keys, MAYBE, "FD", "development: a file with the keys, as lines NAME=HEX, or the root's volume key alone") \
	X(io, MAYBE, "direct|libos-host|switchless|sync", "who does input and output; all but direct, the default, are baselines for measurements, without protection") \
	X(world_switch_cycles, MAYBE, "N", "a baseline: what leaving the enclave and coming back costs, in cycles of the TSC") \
	X(io_threads, MAYBE, "1..64", "a baseline: threads of the host that serve it; default 1") \
	X(tree, MAYBE, "PATH", "sync and switchless: the folder on the host with the files of the image") \
	X(tee, MAYBE, "process|snp|tdx", "who vouches for this enclave to a key broker; default process: nobody") \
	X(insecure_no_lockdown, MAYBE, "0|1", "1: no seccomp filter, and gdb and perf may attach") \
	X(insecure_block_log, MAYBE, "FD", "tests: a file that every write and flush of the disks is copied to") \
	X(insecure_trap, MAYBE, "hostcall", "tests: after the lock-down, make a host call that it forbids") \
	X(insecure_tsm, MAYBE, "PATH", "tests: what stands for the host's /sys/kernel/config/tsm/report")

#endif /* ABI_LAUNCH_H */
