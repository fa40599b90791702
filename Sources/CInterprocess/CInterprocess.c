#define _GNU_SOURCE
#include "CInterprocess.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/memfd.h>
#include <linux/mount.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// Newer than the headers of Debian 12.
#ifndef RWF_NOSIGNAL
#define RWF_NOSIGNAL 0x00000100
#endif
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif
#ifndef P_PIDFD
#define P_PIDFD 3
#endif

pid_t ci_fork(void) { return fork(); }

int ci_pidfd_open(pid_t pid, unsigned flags) { return (int)syscall(SYS_pidfd_open, pid, flags); }

int ci_pidfd_send_signal(int pidfd, int signal) {
  return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

int ci_waitid_pidfd(int pidfd, int options, int *code, int *status) {
  siginfo_t info = {0};
  int result = waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, options);
  *code = info.si_code;
  *status = info.si_status;
  return result == 0 ? info.si_pid : -1;
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

int ci_o_direct(void) { return O_DIRECT; }
int ci_pipe_capacity(int fd) { return fcntl(fd, F_GETPIPE_SZ); }
int ci_set_pipe_capacity(int fd, int capacity) { return fcntl(fd, F_SETPIPE_SZ, capacity); }
int ci_bytes_waiting(int fd, int *count) { return ioctl(fd, FIONREAD, count); }

ssize_t ci_splice(int source, int destination, size_t count, bool waiting) {
  return splice(source, NULL, destination, NULL, count, waiting ? 0 : SPLICE_F_NONBLOCK);
}

ssize_t ci_tee(int source, int destination, size_t count, bool waiting) {
  return tee(source, destination, count, waiting ? 0 : SPLICE_F_NONBLOCK);
}

ssize_t ci_vmsplice(int destination, const struct iovec *bytes, bool waiting) {
  return vmsplice(destination, bytes, 1, waiting ? 0 : SPLICE_F_NONBLOCK);
}

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

ssize_t ci_receive_message(int fd, void *bytes, size_t size, struct sockaddr_un *sender, socklen_t *length,
                           int *descriptors, int *count, int *flags) {
  struct iovec vector = {.iov_base = bytes, .iov_len = size};
  struct msghdr message = {
      .msg_iov = &vector, .msg_iovlen = 1, .msg_name = sender, .msg_namelen = sender ? sizeof *sender : 0};
  union control control;
  if (descriptors) message.msg_control = &control, message.msg_controllen = sizeof control;
  *count = 0;
  ssize_t result = recvmsg(fd, &message, *flags | MSG_CMSG_CLOEXEC);
  if (result < 0) return result;
  *flags = message.msg_flags;
  if (length) *length = message.msg_namelen;
  if (!descriptors) return result;
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    size_t length_of_all = header->cmsg_len - CMSG_LEN(0);
    memcpy(descriptors + *count, CMSG_DATA(header), length_of_all);
    *count += (int)(length_of_all / sizeof(int));
  }
  return result;
}

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

pid_t ci_thread_id(void) { return (pid_t)syscall(SYS_gettid); }

bool ci_waits_on_system_v_queue(long number) { return number == SYS_msgrcv || number == SYS_msgsnd; }

bool ci_waits_on_system_v_semaphore(long number) {
  // Some machines have semtimedop alone.
#ifdef SYS_semop
  if (number == SYS_semop) return true;
#endif
  return number == SYS_semtimedop;
}

int ci_interrupt_timer_start_for(pid_t thread, timer_t *timer, int signal, struct timespec first,
                                 struct timespec interval) {
  struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = signal};
  event._sigev_un._tid = thread;
  if (timer_create(CLOCK_MONOTONIC, &event, timer) != 0) return -1;
  struct itimerspec times = {.it_value = first, .it_interval = interval};
  if (timer_settime(*timer, 0, &times, NULL) != 0) {
    timer_delete(*timer);
    return -1;
  }
  return 0;
}

int ci_start_thread(void *(*body)(void *), void *argument) {
  sigset_t all, previous;
  sigfillset(&all);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_sigmask(SIG_SETMASK, &all, &previous);
  pthread_t thread;
  int result = pthread_create(&thread, &attributes, body, argument);
  pthread_sigmask(SIG_SETMASK, &previous, NULL);
  pthread_attr_destroy(&attributes);
  errno = result;
  return result == 0 ? 0 : -1;
}

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

// glibc's own thread calls it, of which ThreadSanitizer has not heard: instrumented it would crash there.
__attribute__((disable_sanitizer_instrumentation)) static void notify_thread(union sigval value) {
  uint64_t one = 1;
  if (write(value.sival_int, &one, sizeof one) < 0) return;
}

static void notify_signal(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)context;
  int reason = errno;
  uint64_t one = 1;
  // Anybody may send the signal; only a queue's notification carries a descriptor.
  if (info->si_code == SI_MESGQ && write(info->si_value.sival_int, &one, sizeof one) < 0) errno = reason;
  errno = reason;
}

int ci_mq_notify_thread(mqd_t queue, int eventfd) {
  struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_value.sival_int = eventfd};
  event.sigev_notify_function = notify_thread;
  return mq_notify(queue, &event);
}

int ci_mq_notify_signal(mqd_t queue, int signal, int eventfd) {
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = signal, .sigev_value.sival_int = eventfd};
  return mq_notify(queue, &event);
}

int ci_mq_notify_none(mqd_t queue) { return mq_notify(queue, NULL); }

int ci_notify_handle_signal(int signal) {
  struct sigaction action = {.sa_sigaction = notify_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigemptyset(&action.sa_mask);
  return sigaction(signal, &action, NULL);
}

int ci_msg_except(void) { return MSG_EXCEPT; }
int ci_msg_noerror(void) { return MSG_NOERROR; }

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
