#define _GNU_SOURCE
#include "CInterprocess.h"

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

int ci_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }

int ci_epoll_add(int epoll, int fd, bool writable, uint64_t id) {
  struct epoll_event event = {.events = (writable ? EPOLLOUT : EPOLLIN) | EPOLLONESHOT, .data.u64 = id};
  return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

void ci_epoll_remove(int epoll, int fd) { epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL); }

int ci_epoll_rearm(int epoll, int fd, uint64_t id) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.u64 = id};
  return epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event);
}

int ci_epoll_wait(int epoll, uint64_t *ids, int count, int milliseconds) {
  struct epoll_event events[64];
  int ready = epoll_wait(epoll, events, count < 64 ? count : 64, milliseconds);
  for (int i = 0; i < ready; i++) ids[i] = events[i].data.u64;
  return ready;
}

int ci_eventfd(unsigned value, int flags) { return eventfd(value, flags); }
int ci_eventfd_semaphore_flag(void) { return EFD_SEMAPHORE; }
int ci_eventfd_nonblocking_flags(void) { return EFD_CLOEXEC | EFD_NONBLOCK; }

int ci_futex_wait(const void *word, uint32_t expected, const struct timespec *timeout) {
  return (int)syscall(SYS_futex, word, FUTEX_WAIT, expected, timeout, NULL, 0);
}

int ci_futex_wake(const void *word, int count) { return (int)syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0); }

int ci_membarrier_register(void) {
  return (int)syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0);
}

int ci_membarrier(void) { return (int)syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0); }
int ci_current_processor(void) { return sched_getcpu(); }

int ci_allowed_processors(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
}
