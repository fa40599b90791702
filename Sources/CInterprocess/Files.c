#define _GNU_SOURCE
#include "CInterprocess.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/memfd.h>
#include <linux/mount.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

int ci_open(const char *path, int flags, mode_t mode) { return open(path, flags, mode); }

int ci_memfd_create(const char *name, unsigned flags) { return memfd_create(name, flags); }
unsigned ci_mfd_cloexec(void) { return MFD_CLOEXEC; }
unsigned ci_mfd_allow_sealing(void) { return MFD_ALLOW_SEALING; }
int ci_add_seals(int fd, int seals) { return fcntl(fd, F_ADD_SEALS, seals); }
int ci_get_seals(int fd) { return fcntl(fd, F_GET_SEALS); }
int ci_seal_shrink(void) { return F_SEAL_SHRINK; }
int ci_seal_grow(void) { return F_SEAL_GROW; }
int ci_seal_seal(void) { return F_SEAL_SEAL; }
int ci_seal_write(void) { return F_SEAL_WRITE; }
int ci_seal_future_write(void) { return F_SEAL_FUTURE_WRITE; }
unsigned ci_mfd_hugetlb(void) { return MFD_HUGETLB; }
int ci_fallocate(int fd, off_t length) { return fallocate(fd, 0, 0, length); }

int ci_set_write_lease(int fd) { return fcntl(fd, F_SETLEASE, F_WRLCK); }

int ci_detached_mount(const char *type) {
  int context = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
  if (context == -1) return -1;
  int mount = -1;
  if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
    mount = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0);
  int reason = errno;
  close(context);
  errno = reason;
  return mount;
}

bool ci_has_huge_pages(int fd) {
  struct statfs status;
  return fstatfs(fd, &status) == 0 && status.f_type == HUGETLBFS_MAGIC;
}

int ci_ofd_conflict(int fd, short *type, off_t *start, off_t *length, pid_t *holder) {
  struct flock lock = {.l_type = *type, .l_whence = SEEK_SET, .l_start = *start, .l_len = *length};
  int result = fcntl(fd, F_OFD_GETLK, &lock);
  *type = lock.l_type;
  *start = lock.l_start;
  *length = lock.l_len;
  *holder = lock.l_pid;
  return result;
}

char *ci_mkdtemp(char *pattern) { return mkdtemp(pattern); }
int ci_mkostemp(char *pattern) { return mkostemp(pattern, O_CLOEXEC); }
