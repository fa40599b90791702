#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "BenchLane.h"
#include "CBenchLoops.h"

static const char *temporary_directory(void) {
  const char *directory = getenv("TMPDIR");
  return directory && *directory ? directory : "/tmp";
}

// Makes a directory of our own, in which a name can be nobody else's.
static int own_directory(char *path, size_t size) {
  snprintf(path, size, "%s/ipc-bench-XXXXXX", temporary_directory());
  return mkdtemp(path) ? 0 : errno;
}

static int temporary_file(off_t size, int *file) {
  char path[4096];
  snprintf(path, sizeof path, "%s/ipc-bench-XXXXXX", temporary_directory());
  *file = mkostemp(path, O_CLOEXEC);
  if (*file < 0) return errno;
  unlink(path);
  return posix_fallocate(*file, 0, size);
}

static int open_pipe(int *reader, int *writer) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return errno;
  *reader = ends[0];
  *writer = ends[1];
  return 0;
}

static int open_fifo(int *reader, int *writer) {
  char directory[4000], path[4096];
  int reason = own_directory(directory, sizeof directory);
  if (reason) return reason;
  snprintf(path, sizeof path, "%s/fifo", directory);
  int both = -1;
  if (mkfifo(path, 0600) != 0 || (both = open(path, O_RDWR | O_CLOEXEC)) < 0 ||
      (*reader = open(path, O_RDONLY | O_CLOEXEC)) < 0 || (*writer = open(path, O_WRONLY | O_CLOEXEC)) < 0)
    reason = errno;
  if (both >= 0) close(both);
  unlink(path);
  rmdir(directory);
  return reason;
}

static int open_socket_pair(int *first, int *second) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return errno;
  *first = ends[0];
  *second = ends[1];
  return 0;
}

static int open_unix_socket(int *first, int *second) {
  // Of the abstract namespace, by a name that the kernel chooses: nothing to unlink.
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  socklen_t length = sizeof(sa_family_t);
  int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) return errno;
  int reason = 0;
  socklen_t full = sizeof address;
  if (bind(listener, (struct sockaddr *)&address, length) != 0 ||
      getsockname(listener, (struct sockaddr *)&address, &full) != 0 || listen(listener, 1) != 0 ||
      (*first = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0 ||
      connect(*first, (struct sockaddr *)&address, full) != 0 ||
      (*second = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) < 0)
    reason = errno;
  close(listener);
  return reason;
}

static int open_posix_queue(size_t largest, const char *which, int *queue) {
  char name[64];
  snprintf(name, sizeof name, "/ipc-bench-%d-%s", getpid(), which);
  struct mq_attr attributes = {.mq_maxmsg = 10, .mq_msgsize = (long)largest};
  *queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &attributes);
  if (*queue < 0) return errno;
  mq_unlink(name);
  return 0;
}

static int open_system_v_queue(int *queue) {
  *queue = msgget(IPC_PRIVATE, 0600);
  return *queue < 0 ? errno : 0;
}

static int map(int file, struct bench_lane **lane) {
  void *memory = mmap(NULL, bench_lane_size, PROT_READ | PROT_WRITE, file < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED,
                      file, 0);
  if (memory == MAP_FAILED) return errno;
  *lane = memory;
  return 0;
}

static int open_memory(enum bench_kind kind, struct bench_lane **lane) {
  int file = -1, reason = 0;
  if (kind == bench_anonymous_memory) return map(-1, lane);
  if (kind == bench_mapped_file) {
    reason = temporary_file(bench_lane_size, &file);
  } else if (kind == bench_posix_memory) {
    char name[64];
    snprintf(name, sizeof name, "/ipc-bench-%d", getpid());
    file = shm_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) return errno;
    shm_unlink(name);
    reason = posix_fallocate(file, 0, bench_lane_size);
  } else {
    int id = shmget(IPC_PRIVATE, bench_lane_size, 0600);
    if (id < 0) return errno;
    void *memory = shmat(id, NULL, 0);
    if (memory == (void *)-1) reason = errno;
    shmctl(id, IPC_RMID, NULL);
    *lane = reason ? NULL : memory;
    return reason;
  }
  if (!reason) reason = map(file, lane);
  if (file >= 0) close(file);
  return reason;
}

static int open_file(int *file, int *room, int *filled) {
  int reason = temporary_file(bench_file_size, file);
  if (reason) return reason;
  *room = eventfd(bench_file_size, EFD_CLOEXEC);
  *filled = eventfd(0, EFD_CLOEXEC);
  return *room < 0 || *filled < 0 ? errno : 0;
}

static int open_one_way(enum bench_kind kind, size_t largest, struct bench_line *from, struct bench_line *to,
                        const char *which) {
  int reason = 0;
  switch (kind) {
    case bench_file:
      reason = open_file(&from->out, &from->out_room, &from->out_filled);
      to->in = from->out;
      to->in_room = from->out_room;
      to->in_filled = from->out_filled;
      return reason;
    case bench_pipe: return open_pipe(&to->in, &from->out);
    case bench_named_pipe: return open_fifo(&to->in, &from->out);
    case bench_posix_queue:
      reason = open_posix_queue(largest, which, &from->out);
      to->in = from->out;
      return reason;
    case bench_system_v_queue:
      reason = open_system_v_queue(&from->out);
      to->in = from->out;
      return reason;
    default:
      reason = open_memory(kind, &from->out_memory);
      to->in_memory = from->out_memory;
      return reason;
  }
}

int bench_open(enum bench_kind kind, size_t largest_queued, struct bench_pair *pair) {
  struct bench_line none = {.out = -1, .in = -1, .out_room = -1, .out_filled = -1, .in_room = -1, .in_filled = -1};
  *pair = (struct bench_pair){.kind = kind, .first = none, .second = none};
  int reason;
  if (kind == bench_socket_pair || kind == bench_unix_socket) {
    reason = kind == bench_socket_pair ? open_socket_pair(&pair->first.out, &pair->second.out)
                                       : open_unix_socket(&pair->first.out, &pair->second.out);
    pair->first.in = pair->first.out;
    pair->second.in = pair->second.out;
  } else {
    reason = open_one_way(kind, largest_queued, &pair->first, &pair->second, "there");
    if (!reason) reason = open_one_way(kind, largest_queued, &pair->second, &pair->first, "back");
  }
  if (reason) {
    bench_remove(pair);
    bench_close(pair);
  }
  return reason;
}

static bool has_ends(enum bench_kind kind) {
  return kind == bench_pipe || kind == bench_named_pipe || kind == bench_socket_pair || kind == bench_unix_socket;
}

static void close_line(struct bench_line *line) {
  if (line->in >= 0 && line->in != line->out) close(line->in);
  if (line->out >= 0) close(line->out);
  line->in = line->out = -1;
}

void bench_close_first(struct bench_pair *pair) {
  if (has_ends(pair->kind)) close_line(&pair->first);
}

void bench_close_second(struct bench_pair *pair) {
  if (has_ends(pair->kind)) close_line(&pair->second);
}

void bench_remove(struct bench_pair *pair) {
  if (pair->kind != bench_system_v_queue) return;
  if (pair->first.out >= 0) msgctl(pair->first.out, IPC_RMID, NULL);
  if (pair->second.out >= 0) msgctl(pair->second.out, IPC_RMID, NULL);
}

static void close_memory(enum bench_kind kind, struct bench_lane *lane) {
  if (!lane) return;
  if (kind == bench_system_v_memory)
    shmdt(lane);
  else
    munmap(lane, bench_lane_size);
}

void bench_close(struct bench_pair *pair) {
  if (pair->kind == bench_system_v_queue) return;
  // Where both sides share an object, each line's `out` is the other's `in`.
  if (has_ends(pair->kind)) {
    close_line(&pair->first);
    close_line(&pair->second);
    return;
  }
  struct bench_line *lines[] = {&pair->first, &pair->second};
  for (int i = 0; i < 2; i++) {
    int objects[] = {lines[i]->out, lines[i]->out_room, lines[i]->out_filled};
    for (int j = 0; j < 3; j++)
      if (objects[j] >= 0) close(objects[j]);
    close_memory(pair->kind, lines[i]->out_memory);
  }
}
