#define _GNU_SOURCE

#include "CLoops.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <semaphore.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef RWF_NOSIGNAL
#define RWF_NOSIGNAL 0x100
#endif

int c_posix_message_queue(int queue, const void *message, void *buffer, long count) {
  unsigned priority;
  for (long i = 0; i < count; i++) {
    if (mq_send(queue, message, c_message_bytes, 0) != 0) return errno;
    if (mq_receive(queue, buffer, c_message_bytes, &priority) != c_message_bytes) return errno;
  }
  return 0;
}

int c_system_v_message_queue(int id, long count) {
  struct {
    long type;
    char bytes[c_message_bytes];
  } message = {1, {7}}, buffer;
  for (long i = 0; i < count; i++) {
    if (msgsnd(id, &message, c_message_bytes, 0) != 0) return errno;
    if (msgrcv(id, &buffer, c_message_bytes, 0, 0) != c_message_bytes) return errno;
  }
  return 0;
}

int c_posix_semaphore(const char *name, long count) {
  sem_t *semaphore = sem_open(name, 0);
  if (semaphore == SEM_FAILED) return errno;
  int reason = 0;
  for (long i = 0; i < count; i++) {
    if (sem_post(semaphore) != 0 || sem_wait(semaphore) != 0) {
      reason = errno;
      break;
    }
  }
  sem_close(semaphore);
  return reason;
}

int c_system_v_semaphore(int id, long count) {
  struct sembuf release = {.sem_op = 1}, acquire = {.sem_op = -1};
  for (long i = 0; i < count; i++) {
    if (semop(id, &release, 1) != 0 || semop(id, &acquire, 1) != 0) return errno;
  }
  return 0;
}

int c_pipe(int reader, int writer, const void *message, void *buffer, long count) {
  for (long i = 0; i < count; i++) {
    if (write(writer, message, c_message_bytes) != c_message_bytes) return errno;
    if (read(reader, buffer, c_message_bytes) != c_message_bytes) return errno;
  }
  return 0;
}

int c_pipe_without_signal(int reader, int writer, const void *message, void *buffer, long count) {
  struct iovec vector = {(void *)message, c_message_bytes};
  for (long i = 0; i < count; i++) {
    if (pwritev2(writer, &vector, 1, -1, RWF_NOSIGNAL) != c_message_bytes) return errno;
    if (read(reader, buffer, c_message_bytes) != c_message_bytes) return errno;
  }
  return 0;
}

int c_socket(int first, int second, const void *message, void *buffer, long count) {
  for (long i = 0; i < count; i++) {
    if (send(first, message, c_message_bytes, MSG_NOSIGNAL) != c_message_bytes) return errno;
    if (recv(second, buffer, c_message_bytes, 0) != c_message_bytes) return errno;
  }
  return 0;
}
