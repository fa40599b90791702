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

int c_posix_message_queue(int queue, long count) {
  char message[c_message_bytes] = {7}, buffer[c_message_bytes];
  unsigned priority;
  for (long i = 0; i < count; i++) {
    if (mq_send(queue, message, sizeof message, 0) != 0) return errno;
    if (mq_receive(queue, buffer, sizeof buffer, &priority) != sizeof buffer) return errno;
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

int c_pipe(int reader, int writer, long count) {
  char message[c_message_bytes] = {7}, buffer[c_message_bytes];
  for (long i = 0; i < count; i++) {
    if (write(writer, message, sizeof message) != sizeof message) return errno;
    if (read(reader, buffer, sizeof buffer) != sizeof buffer) return errno;
  }
  return 0;
}

int c_pipe_without_signal(int reader, int writer, long count) {
  char message[c_message_bytes] = {7}, buffer[c_message_bytes];
  struct iovec vector = {message, sizeof message};
  for (long i = 0; i < count; i++) {
    if (pwritev2(writer, &vector, 1, -1, RWF_NOSIGNAL) != sizeof message) return errno;
    if (read(reader, buffer, sizeof buffer) != sizeof buffer) return errno;
  }
  return 0;
}

int c_socket(int first, int second, long count) {
  char message[c_message_bytes] = {7}, buffer[c_message_bytes];
  for (long i = 0; i < count; i++) {
    if (send(first, message, sizeof message, MSG_NOSIGNAL) != sizeof message) return errno;
    if (recv(second, buffer, sizeof buffer, 0) != sizeof buffer) return errno;
  }
  return 0;
}
