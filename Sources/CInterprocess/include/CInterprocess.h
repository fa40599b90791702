// What Swift cannot call by itself: variadic functions, macros, GNU extensions, and system calls without a wrapper in
// glibc. Nothing here decides anything; every function returns what the call returned and leaves errno alone.
//
// What moves messages is inline: the kernel has the processor forget who called whom, so that each return after a system
// call is mispredicted.
#ifndef CINTERPROCESS_H
#define CINTERPROCESS_H

#include <fcntl.h>
#include <mqueue.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>

// Processes. fork() is marked unavailable in Swift, and the wait-status macros are not imported.
pid_t ci_fork(void);
int ci_pidfd_open(pid_t pid, unsigned flags);
int ci_pidfd_send_signal(int pidfd, int signal);
// The process id of the child that has ended, 0 when it has not (WNOHANG).
int ci_waitid_pidfd(int pidfd, int options, int *code, int *status);
int ci_thread_count(void);
bool ci_wait_exited(int status);
int ci_wait_exit_code(int status);
bool ci_wait_signalled(int status);
int ci_wait_signal(int status);
bool ci_wait_core_dumped(int status);
const char *ci_signal_abbreviation(int signal);

// Files and memory.
int ci_open(const char *path, int flags, mode_t mode);
int ci_memfd_create(const char *name, unsigned flags);
unsigned ci_mfd_cloexec(void);
unsigned ci_mfd_allow_sealing(void);
int ci_add_seals(int fd, int seals);
int ci_get_seals(int fd);
int ci_seal_shrink(void);
int ci_seal_grow(void);
int ci_seal_seal(void);
int ci_seal_write(void);
int ci_seal_future_write(void);
unsigned ci_mfd_hugetlb(void);
// Locks of an open file description (F_OFD_*). 0 for `length` is everything from `start`. `ci_ofd_conflict` gives
// `*type` F_UNLCK where nothing is in the way, and else what is, and by whom (-1 for an open file description's lock).
// Whether it is memory made of huge pages.
bool ci_has_huge_pages(int fd);
static inline int ci_ofd_lock(int fd, short type, off_t start, off_t length, bool waiting) {
  struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
  enum { set = 37, set_waiting = 38 };  // F_OFD_SETLK and F_OFD_SETLKW, which fcntl.h has with _GNU_SOURCE only.
  return fcntl(fd, waiting ? set_waiting : set, &lock);
}
int ci_ofd_conflict(int fd, short *type, off_t *start, off_t *length, pid_t *holder);
int ci_fallocate(int fd, off_t length);
int ci_set_write_lease(int fd);
// A filesystem of this type, mounted nowhere; its descriptor is the root directory.
int ci_detached_mount(const char *type);

// Pipes.
int ci_pipe2(int fds[2], int flags);
ssize_t ci_preadv2(int fd, const struct iovec *vectors, int count, int flags);
ssize_t ci_pwritev2(int fd, const struct iovec *vectors, int count, int flags);
int ci_rwf_nowait(void);
enum { ci_rwf_nosignal = 0x100 };  // RWF_NOSIGNAL, newer than the headers of Debian 12.
int ci_o_direct(void);
int ci_pipe_capacity(int fd);
int ci_set_pipe_capacity(int fd, int capacity);
int ci_bytes_waiting(int fd, int *count);
bool ci_ignores_signal(int signal);
ssize_t ci_splice(int source, int destination, size_t count, bool waiting);
ssize_t ci_tee(int source, int destination, size_t count, bool waiting);
ssize_t ci_vmsplice(int destination, const struct iovec *bytes, bool waiting);

// Sockets. A message carries at most SCM_MAX_FD descriptors. `flags` are those of the call, and of the answer.
enum { ci_most_descriptors = 253 };
int ci_accept4(int fd, int flags);
int ci_peer_credentials(int fd, pid_t *process, uid_t *user, gid_t *group);
int ci_peer_pidfd(int fd);
ssize_t ci_send_message(int fd, const void *bytes, size_t size, const struct sockaddr *address, socklen_t length,
                        const int *descriptors, int count, int flags);
// Receives from a stream. `descriptors` has room for ci_most_descriptors.
ssize_t ci_receive_bytes(int fd, void *bytes, size_t size, int flags, int *descriptors, int *count);
// `descriptors` has room for ci_most_descriptors.
ssize_t ci_receive_message(int fd, void *bytes, size_t size, struct sockaddr_un *sender, socklen_t *length,
                           int *descriptors, int *count, int *flags);

// Message queues and semaphores.
mqd_t ci_mq_open(const char *name, int flags, mode_t mode, struct mq_attr *attributes);
// `deadline` is absolute, by CLOCK_REALTIME; NULL waits for ever. An empty message may be NULL.
static inline int ci_mq_send(mqd_t queue, const void *message, size_t size, unsigned priority,
                             const struct timespec *deadline) {
  const char *bytes = message ? message : "";
  return deadline ? mq_timedsend(queue, bytes, size, priority, deadline) : mq_send(queue, bytes, size, priority);
}

static inline ssize_t ci_mq_receive(mqd_t queue, void *buffer, size_t size, unsigned *priority,
                                    const struct timespec *deadline) {
  // Nothing is written there, as its size is 0.
  static char none[1];
  char *bytes = buffer ? buffer : none;
  return deadline ? mq_timedreceive(queue, bytes, size, priority, deadline) : mq_receive(queue, bytes, size, priority);
}

// System V messages are a type and bytes in one buffer; these put them together and take them apart. The buffer lies on
// the stack for messages within the default limit (kernel.msgmax), and else on the heap.
enum { ci_message_on_stack = 8192 };
struct ci_message {
  long type;
  char bytes[ci_message_on_stack];
};
int ci_msgsnd_large(int id, long type, const void *message, size_t size, int flags);
ssize_t ci_msgrcv_large(int id, long *type, void *message, size_t size, long wanted, int flags);

static inline int ci_msgsnd(int id, long type, const void *message, size_t size, int flags) {
  if (size > ci_message_on_stack) return ci_msgsnd_large(id, type, message, size, flags);
  struct ci_message buffer;
  buffer.type = type;
  if (size) memcpy(buffer.bytes, message, size);
  return msgsnd(id, &buffer, size, flags);
}

static inline ssize_t ci_msgrcv(int id, long *type, void *message, size_t size, long wanted, int flags) {
  if (size > ci_message_on_stack) return ci_msgrcv_large(id, type, message, size, wanted, flags);
  struct ci_message buffer;
  ssize_t result = msgrcv(id, &buffer, size, wanted, flags);
  if (result >= 0) *type = buffer.type;
  if (result > 0) memcpy(message, buffer.bytes, (size_t)result);
  return result;
}

sem_t *ci_sem_open(const char *name, int flags, mode_t mode, unsigned value);
int ci_sem_clockwait(sem_t *semaphore, const struct timespec *monotonic_deadline);
// A mutex for several processes that tells its next holder of the death of the last. Errors are returned, not in errno.
int ci_mutex_init(pthread_mutex_t *mutex);
int ci_mutex_clocklock(pthread_mutex_t *mutex, const struct timespec *monotonic_deadline);
int ci_semctl_value(int id, int index, int command, int value);
int ci_semctl_values(int id, int command, unsigned short *values);
int ci_semctl_status(int id, int command, struct semid_ds *status);
int ci_semtimedop(int id, struct sembuf *operations, size_t count, const struct timespec *timeout);
// Whether a system call of this number waits on a System V queue, or semaphore set, whose id is its first argument.
bool ci_waits_on_system_v_queue(long number);
bool ci_waits_on_system_v_semaphore(long number);

// A timer that sends `signal` to a thread of this process after `first` and then every `interval`: repeated, because
// the first may come just before the call that it is to interrupt.
int ci_interrupt_timer_start_for(pid_t thread, timer_t *timer, int signal, struct timespec first,
                                 struct timespec interval);
pid_t ci_thread_id(void);
int ci_tgkill(pid_t thread, int signal);

// Starts a detached thread with every signal blocked.
int ci_start_thread(void *(*body)(void *), void *argument);

// epoll, one shot a registration: `id` comes back once, and then no more. -1 with EPERM for what is always ready.
int ci_epoll_create(void);
int ci_epoll_add(int epoll, int fd, bool writable, uint64_t id);
void ci_epoll_remove(int epoll, int fd);
int ci_epoll_rearm(int epoll, int fd, uint64_t id);
int ci_epoll_wait(int epoll, uint64_t *ids, int count, int milliseconds);
int ci_eventfd(unsigned value, int flags);
int ci_eventfd_nonblocking_flags(void);
int ci_eventfd_semaphore_flag(void);

// Has the notification of a queue write to an eventfd: by a thread that glibc starts, or by a signal, for which
// ci_notify_handle_signal has installed the handler.
int ci_mq_notify_thread(mqd_t queue, int eventfd);
int ci_mq_notify_signal(mqd_t queue, int signal, int eventfd);
int ci_mq_notify_none(mqd_t queue);
int ci_notify_handle_signal(int signal);

// Futexes, shared between processes. `timeout` is relative, measured by CLOCK_MONOTONIC; NULL waits for ever.
int ci_futex_wait(const void *word, uint32_t expected, const struct timespec *timeout);
int ci_futex_wake(const void *word, int count);

// The ring: a memory barrier on every processor that runs a process which has registered (a child inherits that), and
// what is too small for a system call. -1 where the kernel has no such barrier, or a sandbox refuses it.
int ci_membarrier_register(void);
int ci_membarrier(void);
int ci_current_processor(void);
// How many processors this process's affinity allows; 0 when that is not known.
int ci_allowed_processors(void);
static inline void ci_compiler_barrier(void) { __atomic_signal_fence(__ATOMIC_SEQ_CST); }
static inline void ci_spin_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb" ::: "memory");
#endif
}

// Has a processor fetch a cache line that it will read soon; the address may be any.
static inline void ci_prefetch(const void *place) { __builtin_prefetch(place, 0, 3); }

// Directories and signals.
char *ci_mkdtemp(char *pattern);
int ci_mkostemp(char *pattern);
int ci_msg_except(void);
int ci_msg_noerror(void);
int ci_sigaction_handler(int signal, void (*handler)(int), struct sigaction *old);
bool ci_sigaction_is_default(int signal);
// Whether anything that was printed did not go out.
bool ci_stdout_has_failed(void);
// Has the kernel kill this process when the thread that forked it ends.
void ci_die_with_parent(void);
int ci_sigrtmax(void);

#endif
