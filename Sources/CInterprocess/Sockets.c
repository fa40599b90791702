#define _GNU_SOURCE
#include "CInterprocess.h"

#include <errno.h>
#include <string.h>

// Newer than the headers of Debian 12.
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

int ci_peer_credentials(int fd, pid_t *process, uid_t *user, gid_t *group) {
  struct ucred credentials;
  socklen_t size = sizeof credentials;
  int result = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size);
  if (result == 0) *process = credentials.pid, *user = credentials.uid, *group = credentials.gid;
  return result;
}

int ci_peer_pidfd(int fd) {
  int pidfd = -1;
  socklen_t size = sizeof pidfd;
  return getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0 ? pidfd : -1;
}

union control {
  struct cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(int) * ci_most_descriptors)];
};

ssize_t ci_send_message(int fd, const void *bytes, size_t size, const struct sockaddr *address, socklen_t length,
                        const int *descriptors, int count, int flags) {
  struct iovec vector = {.iov_base = (void *)bytes, .iov_len = size};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_name = (void *)address, .msg_namelen = length};
  union control control;
  if (count > ci_most_descriptors) {
    errno = EINVAL;
    return -1;
  }
  if (count > 0) {
    size_t length_of_all = sizeof(int) * (size_t)count;
    memset(&control, 0, sizeof control);
    message.msg_control = &control;
    message.msg_controllen = CMSG_SPACE(length_of_all);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(length_of_all);
    memcpy(CMSG_DATA(header), descriptors, length_of_all);
  }
  return sendmsg(fd, &message, flags | MSG_NOSIGNAL);
}

static void take_descriptors(struct msghdr *message, int *descriptors, int *count) {
  for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    size_t length_of_all = header->cmsg_len - CMSG_LEN(0);
    memcpy(descriptors + *count, CMSG_DATA(header), length_of_all);
    *count += (int)(length_of_all / sizeof(int));
  }
}

ssize_t ci_receive_bytes(int fd, void *bytes, size_t size, int flags, int *descriptors, int *count) {
  struct iovec vector = {.iov_base = bytes, .iov_len = size};
  union control control;
  struct msghdr message = {
      .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  *count = 0;
  ssize_t result = recvmsg(fd, &message, flags | MSG_CMSG_CLOEXEC);
  if (result >= 0 && message.msg_controllen > 0) take_descriptors(&message, descriptors, count);
  return result;
}

ssize_t ci_receive_message(int fd, void *bytes, size_t size, struct sockaddr_un *sender, socklen_t *length,
                           int *descriptors, int *count, int *flags) {
  struct iovec vector = {.iov_base = bytes, .iov_len = size};
  union control control;
  struct msghdr message = {.msg_iov = &vector,
                           .msg_iovlen = 1,
                           .msg_name = sender,
                           .msg_namelen = sender ? sizeof *sender : 0,
                           .msg_control = &control,
                           .msg_controllen = sizeof control};
  *count = 0;
  ssize_t result = recvmsg(fd, &message, *flags | MSG_CMSG_CLOEXEC);
  if (result < 0) return result;
  *flags = message.msg_flags;
  if (length) *length = message.msg_namelen;
  take_descriptors(&message, descriptors, count);
  return result;
}

int ci_accept4(int fd, int flags) { return accept4(fd, NULL, NULL, flags); }
