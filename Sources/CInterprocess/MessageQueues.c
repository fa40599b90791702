#define _GNU_SOURCE
#include "CInterprocess.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

mqd_t ci_mq_open(const char *name, int flags, mode_t mode, struct mq_attr *attributes) {
  return mq_open(name, flags, mode, attributes);
}

int ci_msgsnd_large(int id, long type, const void *message, size_t size, int flags) {
  char *buffer = malloc(sizeof(long) + size);
  if (!buffer) return -1;
  memcpy(buffer, &type, sizeof(long));
  memcpy(buffer + sizeof(long), message, size);
  int result = msgsnd(id, buffer, size, flags);
  int reason = errno;
  free(buffer);
  errno = reason;
  return result;
}

ssize_t ci_msgrcv_large(int id, long *type, void *message, size_t size, long wanted, int flags) {
  char *buffer = malloc(sizeof(long) + size);
  if (!buffer) return -1;
  ssize_t result = msgrcv(id, buffer, size, wanted, flags);
  int reason = errno;
  if (result >= 0) memcpy(type, buffer, sizeof(long));
  if (result > 0) memcpy(message, buffer + sizeof(long), (size_t)result);
  free(buffer);
  errno = reason;
  return result;
}

bool ci_waits_on_system_v_queue(long number) { return number == SYS_msgrcv || number == SYS_msgsnd; }

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
