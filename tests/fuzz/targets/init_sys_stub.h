/* SPDX-License-Identifier: Apache-2.0 */
/* In place of init_sys.h: PID 1's system calls, none of which reaches a kernel. */
#ifndef INIT_SYS_STUB_H
#define INIT_SYS_STUB_H

#define INIT_SYS_H

#include <asm/unistd.h>
#include <stddef.h>

/* PID 1 brings its own; the sanitizers' must not be taken for them. */
#define memcpy init_memcpy
#define memmove init_memmove
#define memset init_memset
#define memcmp init_memcmp

/* What the kernel would say: 0, a descriptor, or an error; init_kernel.c asks the target. */
long sys_any(long nr, ...);
long fuzz_kernel_says(long nr);

#define sys6(nr, ...) sys_any((nr), __VA_ARGS__)
#define sys5 sys6
#define sys4 sys6
#define sys3 sys6
#define sys2 sys6
#define sys1 sys6
#define sys0(nr) sys_any(nr)

#define sys_open(path, flags, mode) ((int)sys_any(__NR_open, path, flags, mode))
#define sys_close(fd) ((int)sys_any(__NR_close, fd))
#define sys_read(fd, buf, len) sys_any(__NR_read, fd, buf, len)
#define sys_write(fd, buf, len) sys_any(__NR_write, fd, buf, len)
#define sys_mkdir(path, mode) ((int)sys_any(__NR_mkdir, path, mode))
#define sys_symlink(target, path) ((int)sys_any(__NR_symlink, target, path))
#define sys_unlink(path) ((int)sys_any(__NR_unlink, path))
#define sys_mount(source, target, type, flags, data) \
	((int)sys_any(__NR_mount, source, target, type, flags, data))
#define sys_umount(target, flags) ((int)sys_any(__NR_umount2, target, flags))
#define sys_chdir(path) ((int)sys_any(__NR_chdir, path))
#define sys_mmap(len, prot, flags, fd) ((void *)sys_any(__NR_mmap, len, prot, flags, fd))
#define sys_munmap(addr, len) ((int)sys_any(__NR_munmap, addr, len))

#endif /* INIT_SYS_STUB_H */
