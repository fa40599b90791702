#define _GNU_SOURCE
#include "CInterprocess.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

int ci_pipe2(int fds[2], int flags) { return pipe2(fds, flags); }

ssize_t ci_preadv2(int fd, const struct iovec *vectors, int count, int flags) {
  return preadv2(fd, vectors, count, -1, flags);
}

ssize_t ci_pwritev2(int fd, const struct iovec *vectors, int count, int flags) {
  return pwritev2(fd, vectors, count, -1, flags);
}

int ci_rwf_nowait(void) { return RWF_NOWAIT; }

int ci_o_direct(void) { return O_DIRECT; }
int ci_pipe_capacity(int fd) { return fcntl(fd, F_GETPIPE_SZ); }
int ci_set_pipe_capacity(int fd, int capacity) { return fcntl(fd, F_SETPIPE_SZ, capacity); }
int ci_bytes_waiting(int fd, int *count) { return ioctl(fd, FIONREAD, count); }

bool ci_ignores_signal(int signal) {
  struct sigaction action;
  return sigaction(signal, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

ssize_t ci_splice(int source, int destination, size_t count, bool waiting) {
  return splice(source, NULL, destination, NULL, count, waiting ? 0 : SPLICE_F_NONBLOCK);
}

ssize_t ci_tee(int source, int destination, size_t count, bool waiting) {
  return tee(source, destination, count, waiting ? 0 : SPLICE_F_NONBLOCK);
}

ssize_t ci_vmsplice(int destination, const struct iovec *bytes, bool waiting) {
  return vmsplice(destination, bytes, 1, waiting ? 0 : SPLICE_F_NONBLOCK);
}
