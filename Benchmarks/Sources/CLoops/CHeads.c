#define _GNU_SOURCE
#include "CHeads.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { head_bytes = 4, page_bytes = 4096, ahead_bytes = 1 << 16 };

static double nanoseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e9 + time.tv_nsec;
}

static void pin(int processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  sched_setaffinity(0, sizeof set, &set);
}

// In the middle of a page, where copies from a page's beginning do not meet it.
static char *memory(long bytes) {
  char *start = aligned_alloc(page_bytes, (bytes + 3 * page_bytes) / page_bytes * page_bytes);
  if (!start) _exit(ENOMEM);
  memset(start, 7, bytes + 2 * page_bytes);
  return start + page_bytes / 2;
}

// Does not return.
static void receive(int end, int ways, long total, long size) {
  const long most = !(ways & c_head_read_ahead) ? size : ahead_bytes > 2 * size ? ahead_bytes : 2 * size;
  char *buffer = memory(most);
  long in_message = 0;
  while (total > 0) {
    const long wanted = most == size ? size - in_message : most;
    const ssize_t piece = read(end, buffer + (most == size ? in_message : 0), wanted < total ? wanted : total);
    if (piece <= 0) _exit(piece < 0 ? errno : EPIPE);
    total -= piece;
    in_message = (in_message + piece) % size;
  }
  _exit(0);
}

static int send_one(int end, int ways, const char *message, long size) {
  struct iovec vectors[2] = {{(void *)(message + size - head_bytes), head_bytes}, {(void *)message, size - head_bytes}};
  for (long sent = 0; sent < size;) {
    const ssize_t piece = sent == 0 && (ways & c_head_in_two_pieces) ? writev(end, vectors, 2)
                                                                     : write(end, message + sent, size - sent);
    if (piece < 0) return errno;
    sent += piece;
  }
  return 0;
}

double c_heads(int is_socket, int ways, int processor, long payload, long count) {
  int ends[2];
  if (is_socket ? socketpair(AF_UNIX, SOCK_STREAM, 0, ends) : pipe(ends)) return -errno;
  const long size = payload + ((ways & c_head) ? head_bytes : 0);
  char *message = memory(size);
  // A child that has died is an errno.
  signal(SIGPIPE, SIG_IGN);
  const pid_t child = fork();
  if (child < 0) return -errno;
  if (child == 0) {
    close(ends[1]);
    pin(processor);
    receive(ends[0], ways, count * size, size);
  }
  close(ends[0]);
  cpu_set_t all;
  sched_getaffinity(0, sizeof all, &all);
  pin(0);
  int failure = 0;
  const double start = nanoseconds();
  for (long i = 0; i < count && !failure; i++) failure = send_one(ends[1], ways, message, size);
  close(ends[1]);
  int status;
  waitpid(child, &status, 0);
  const double time = nanoseconds() - start;
  sched_setaffinity(0, sizeof all, &all);
  free(message - page_bytes / 2);
  if (failure) return -failure;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? time / count : -EPIPE;
}
