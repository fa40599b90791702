#define _GNU_SOURCE
#include "CInterprocess.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/memfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// Newer than the headers of Debian 12.
#ifndef RWF_NOSIGNAL
#define RWF_NOSIGNAL 0x00000100
#endif

pid_t ci_fork(void) { return fork(); }

int ci_pidfd_open(pid_t pid, unsigned flags) { return (int)syscall(SYS_pidfd_open, pid, flags); }

int ci_pidfd_send_signal(int pidfd, int signal) {
  return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

int ci_thread_count(void) {
  // A process's task directory has one entry a thread beside "." and "..", and counts its links so.
  struct stat status;
  if (stat("/proc/self/task", &status) != 0) return -1;
  return (int)status.st_nlink - 2;
}

bool ci_wait_exited(int status) { return WIFEXITED(status); }
int ci_wait_exit_code(int status) { return WEXITSTATUS(status); }
bool ci_wait_signalled(int status) { return WIFSIGNALED(status); }
int ci_wait_signal(int status) { return WTERMSIG(status); }
bool ci_wait_core_dumped(int status) { return WCOREDUMP(status); }
const char *ci_signal_abbreviation(int signal) { return sigabbrev_np(signal); }

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

int ci_ofd_lock(int fd, short type, off_t start, off_t length, bool waiting) {
  struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
  return fcntl(fd, waiting ? F_OFD_SETLKW : F_OFD_SETLK, &lock);
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

int ci_pipe2(int fds[2], int flags) { return pipe2(fds, flags); }

ssize_t ci_preadv2(int fd, const struct iovec *vectors, int count, int flags) {
  return preadv2(fd, vectors, count, -1, flags);
}

ssize_t ci_pwritev2(int fd, const struct iovec *vectors, int count, int flags) {
  return pwritev2(fd, vectors, count, -1, flags);
}

int ci_rwf_nowait(void) { return RWF_NOWAIT; }
int ci_rwf_nosignal(void) { return RWF_NOSIGNAL; }

int ci_accept4(int fd, int flags) { return accept4(fd, NULL, NULL, flags); }

mqd_t ci_mq_open(const char *name, int flags, mode_t mode, struct mq_attr *attributes) {
  return mq_open(name, flags, mode, attributes);
}

int ci_mq_send(mqd_t queue, const void *message, size_t size, unsigned priority, const struct timespec *deadline) {
  const char *bytes = message ? message : "";
  return deadline ? mq_timedsend(queue, bytes, size, priority, deadline) : mq_send(queue, bytes, size, priority);
}

ssize_t ci_mq_receive(mqd_t queue, void *buffer, size_t size, unsigned *priority, const struct timespec *deadline) {
  char none[1];
  char *bytes = buffer ? buffer : none;
  return deadline ? mq_timedreceive(queue, bytes, size, priority, deadline) : mq_receive(queue, bytes, size, priority);
}

// Past this size a buffer comes from the heap: the default limit of a message (kernel.msgmax) fits on the stack.
enum { message_on_stack = 8192 };

int ci_msgsnd(int id, long type, const void *message, size_t size, int flags) {
  _Alignas(long) char stack[sizeof(long) + message_on_stack];
  char *buffer = size <= message_on_stack ? stack : malloc(sizeof(long) + size);
  if (!buffer) return -1;
  memcpy(buffer, &type, sizeof(long));
  if (size) memcpy(buffer + sizeof(long), message, size);
  int result = msgsnd(id, buffer, size, flags);
  int reason = errno;
  if (buffer != stack) free(buffer);
  errno = reason;
  return result;
}

ssize_t ci_msgrcv(int id, long *type, void *message, size_t size, long wanted, int flags) {
  _Alignas(long) char stack[sizeof(long) + message_on_stack];
  char *buffer = size <= message_on_stack ? stack : malloc(sizeof(long) + size);
  if (!buffer) return -1;
  ssize_t result = msgrcv(id, buffer, size, wanted, flags);
  int reason = errno;
  if (result >= 0) memcpy(type, buffer, sizeof(long));
  if (result > 0) memcpy(message, buffer + sizeof(long), (size_t)result);
  if (buffer != stack) free(buffer);
  errno = reason;
  return result;
}

sem_t *ci_sem_open(const char *name, int flags, mode_t mode, unsigned value) {
  return sem_open(name, flags, mode, value);
}

int ci_sem_clockwait(sem_t *semaphore, const struct timespec *monotonic_deadline) {
  return sem_clockwait(semaphore, CLOCK_MONOTONIC, monotonic_deadline);
}

int ci_mutex_init(pthread_mutex_t *mutex) {
  pthread_mutexattr_t attributes;
  int result = pthread_mutexattr_init(&attributes);
  if (result) return result;
  result = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  if (!result) result = pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  if (!result) result = pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
  if (!result) result = pthread_mutex_init(mutex, &attributes);
  pthread_mutexattr_destroy(&attributes);
  return result;
}

int ci_mutex_clocklock(pthread_mutex_t *mutex, const struct timespec *monotonic_deadline) {
  return pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, monotonic_deadline);
}

// semctl(2): the caller has to define it.
union semun {
  int value;
  struct semid_ds *status;
  unsigned short *values;
};

int ci_semctl_value(int id, int index, int command, int value) {
  return semctl(id, index, command, (union semun){.value = value});
}

int ci_semctl_values(int id, int command, unsigned short *values) {
  return semctl(id, 0, command, (union semun){.values = values});
}

int ci_semctl_status(int id, int command, struct semid_ds *status) {
  return semctl(id, 0, command, (union semun){.status = status});
}

int ci_semtimedop(int id, struct sembuf *operations, size_t count, const struct timespec *timeout) {
  return semtimedop(id, operations, count, timeout);
}

int ci_interrupt_timer_start(timer_t *timer, int signal, struct timespec first, struct timespec interval) {
  struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = signal};
  event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
  if (timer_create(CLOCK_MONOTONIC, &event, timer) != 0) return -1;
  struct itimerspec times = {.it_value = first, .it_interval = interval};
  if (timer_settime(*timer, 0, &times, NULL) != 0) {
    timer_delete(*timer);
    return -1;
  }
  return 0;
}

int ci_futex_wait(const void *word, uint32_t expected, const struct timespec *timeout) {
  return (int)syscall(SYS_futex, word, FUTEX_WAIT, expected, timeout, NULL, 0);
}

int ci_futex_wake(const void *word, int count) { return (int)syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0); }

char *ci_mkdtemp(char *pattern) { return mkdtemp(pattern); }
int ci_mkostemp(char *pattern) { return mkostemp(pattern, O_CLOEXEC); }

int ci_sigaction_handler(int signal, void (*handler)(int), struct sigaction *old) {
  struct sigaction action = {.sa_handler = handler};
  sigemptyset(&action.sa_mask);
  return sigaction(signal, &action, old);
}

bool ci_sigaction_is_default(int signal) {
  struct sigaction action;
  return sigaction(signal, NULL, &action) == 0 && action.sa_handler == SIG_DFL;
}

int ci_sigrtmax(void) { return SIGRTMAX; }
