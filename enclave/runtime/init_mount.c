// SPDX-License-Identifier: GPL-2.0-only
/* From the initramfs to the image's root, and every other file system. */
#include "init.h"
#include "init_data.h"
#include "init_overlay.h"
#include "init_sys.h"

#include <asm/errno.h>
#include <linux/fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>

#define LIBC_PATH "/ld-musl-x86_64.so.1"
#define LIBC_PATH_IN_IMAGE "/lib/ld-musl-x86_64.so.1"

static const char *reason(int err)
{
	return errno_text(-err) ?: "unknown error";
}

/* One mount the record asks for, taken apart. */
struct request {
	char device[32];	/* /dev/vda, or the type for DEV=none */
	char path[4096];
	char fstype[16];
	bool readonly;
};

static void parse_request(const char *value, bool root, struct request *r)
{
	const char *rest = value;
	char dev[16], access[4];

	r->device[0] = '\0';
	r->path[0] = '\0';
	if (!text_field(&rest, ':', dev, sizeof(dev)) ||
	    (!root && !text_field(&rest, ':', r->path, sizeof(r->path))) ||
	    !text_field(&rest, ':', r->fstype, sizeof(r->fstype)) ||
	    !text_field(&rest, ':', access, sizeof(access)))
		fail("malformed mount in the launch record: ", value);
	r->readonly = text_equal(access, "ro");
	if (text_equal(dev, "none")) {
		text_append(r->device, sizeof(r->device), r->fstype);
	} else {
		text_append(r->device, sizeof(r->device), "/dev/");
		text_append(r->device, sizeof(r->device), dev);
	}
}

static void mount_request(const struct request *r, const char *path)
{
	unsigned long flags = MS_SILENT;
	int err;

	if (r->readonly)
		flags |= MS_RDONLY;
	err = machine_mount(r->device, path, r->fstype, flags, NULL);
	if (!err)
		return;
	switch (-err) {
	case ENOENT:
		fail("no disk ", r->device, "; add it with --disk");
	case EINVAL:
		fail(r->device, " holds no ", r->fstype,
		     " file system; make the image with rkt-io-disk create");
	case ENODEV:
		fail("file system ", r->fstype,
		     " is not built into the library OS; use ext4");
	case EROFS:
	case EACCES:
		fail(r->device, " is read-only but its file system needs writing;"
		     " give the disk read-write once");
	default:
		fail("cannot mount ", r->device, " as ", r->fstype, ": ",
		     reason(err));
	}
}

/* Make what is missing of @path; a read-only root may not let us. */
void make_directories(const char *path)
{
	char part[4096];
	size_t len = 0;

	do {
		part[len] = path[len];
		len++;
		if (path[len] == '/' || !path[len]) {
			part[len] = '\0';
			sys_mkdir(part, 0755);
		}
	} while (path[len] && len < sizeof(part) - 1);
}

static void mount_disks(void)
{
	const char *value = NULL;
	struct request r;

	while ((value = record_next("mount", value))) {
		parse_request(value, false, &r);
		make_directories(r.path);
		if (sys_chdir(r.path))
			fail("no directory ", r.path,
			     " in the image to mount on; create it in the image");
		nvme_find(r.device, sizeof(r.device));
		mount_request(&r, r.path);
	}
	sys_chdir("/");
}

/* The kernel's own file systems; the image must have their directories. */
static void mount_required(const char *fstype, const char *target,
			   unsigned long flags)
{
	int err;

	make_directories(target);
	err = machine_mount(fstype, target, fstype, flags, NULL);
	if (err)
		fail("cannot mount ", fstype, " on ", target, ": ", reason(err),
		     "; create that directory in the image");
}

/* Of use to programs that know them; an image without the directory goes without. */
static void mount_optional(const char *fstype, const char *target,
			   unsigned long flags, const char *data)
{
	make_directories(target);
	machine_mount(fstype, target, fstype, flags, data);
}

/* Leave the initramfs: @root, a mount point, becomes / of the namespace. */
static void switch_root(const char *root)
{
	int err;

	err = sys_chdir(root);
	if (!err)
		err = sys_mount(".", "/", NULL, MS_MOVE, NULL);
	if (!err)
		err = sys1(__NR_chroot, ".");
	if (!err)
		err = sys_chdir("/");
	if (err)
		fail("cannot switch to the image's root: ", reason(err));
}

/* Resolved as in the image, whose links may be absolute; -errno. */
static int open_in_image(const char *root, const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT,
	};
	int dir = sys_open(root, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	int fd = sys4(__NR_openat2, dir, path, &how, sizeof(how));

	sys_close(dir);
	return fd;
}

/* Only an image that has musl gets the substituted libc, in musl's place. */
static void cover_libc(const char *root)
{
	int target = open_in_image(root, LIBC_PATH_IN_IMAGE);
	int libc, err;

	if (target < 0) {
		sys_unlink(LIBC_PATH);
		return;
	}
	libc = sys3(__NR_open_tree, AT_FDCWD, LIBC_PATH,
		    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (libc >= 0) {
		err = sys5(__NR_move_mount, libc, "", target, "",
			   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
		if (err)
			fail("cannot substitute ", LIBC_PATH_IN_IMAGE, ": ",
			     reason(err));
		sys_close(libc);
	}
	sys_close(target);
}

static void link_descriptors(void)
{
	sys_symlink("/proc/self/fd", "/dev/fd");
	sys_symlink("/proc/self/fd/0", "/dev/stdin");
	sys_symlink("/proc/self/fd/1", "/dev/stdout");
	sys_symlink("/proc/self/fd/2", "/dev/stderr");
}

void mount_devices(void)
{
	int err = machine_mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);

	if (err)
		fail("cannot mount devtmpfs: ", reason(err));
}

/* The image stays as it is, and what is written to / goes to a data disk. */
static void mount_under_data(struct request *root)
{
	root->readonly = true;
	sys_mkdir(OVERLAY_LOWER, 0700);
	mount_request(root, OVERLAY_LOWER);
	overlay_mount(NULL, "/root");
	root->readonly = false;
}

void mount_all(void)
{
	const char *value = record_get("root");
	struct request root;
	int err;

	if (!value)
		fail("no root disk; give an image to rkt-io-run");
	parse_request(value, true, &root);
	if (text_equal(root.fstype, "sealed"))
		root.readonly = !sealed_mount("/root");
	else if (data_has_upper())
		mount_under_data(&root);
	else
		mount_request(&root, "/root");

	sys_mkdir("/root/dev", 0755);
	err = sys_mount("/dev", "/root/dev", NULL, MS_MOVE, NULL);
	if (err)
		fail("no directory /dev in the image; create it in the image");
	cover_libc("/root");
	sys_unlink("/launch");
	sys_unlink("/init");
	switch_root("/root");

	mount_required("proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC);
	mount_required("sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC);
	mount_optional("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC,
		       "mode=620,gid=5,ptmxmode=666");
	mount_optional("tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777");
	mount_optional("tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=755");
	if (root.readonly)
		mount_optional("tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777");
	link_descriptors();
	mount_disks();
}

/*
 * Nothing runs any more but PID 1. Disks come off in reverse order; the root
 * can't, but read-only it has an empty journal. What is still busy has been
 * synced and needs a journal replay next time.
 */
void unmount_all(void)
{
	size_t count = record_count("mount");
	struct request r;

	sys_chdir("/");
	sys0(__NR_sync);
	while (count--) {
		const char *value = NULL;

		for (size_t i = 0; i <= count; i++)
			value = record_next("mount", value);
		parse_request(value, false, &r);
		if (sys_umount(r.path, 0))
			sys_mount(NULL, r.path, NULL, MS_REMOUNT | MS_RDONLY, NULL);
	}
	sys_mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL);
}
