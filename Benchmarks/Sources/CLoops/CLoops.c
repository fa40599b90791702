#define _GNU_SOURCE

#include "CLoops.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
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

int c_event_counter(int counter, long count) {
  uint64_t one = 1, taken;
  for (long i = 0; i < count; i++) {
    if (write(counter, &one, sizeof one) != sizeof one) return errno;
    if (read(counter, &taken, sizeof taken) != sizeof taken) return errno;
  }
  return 0;
}

int c_mutex(long count) {
  static pthread_mutex_t mutex;
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
  int reason = pthread_mutex_init(&mutex, &attributes);
  for (long i = 0; i < count && !reason; i++) {
    reason = pthread_mutex_lock(&mutex);
    if (!reason) reason = pthread_mutex_unlock(&mutex);
  }
  pthread_mutex_destroy(&mutex);
  return reason;
}

int c_unnamed_semaphore(long count) {
  static sem_t semaphore;
  if (sem_init(&semaphore, 1, 0) != 0) return errno;
  for (long i = 0; i < count; i++) {
    if (sem_post(&semaphore) != 0 || sem_wait(&semaphore) != 0) return errno;
  }
  return 0;
}

int c_file_lock(int file, long count) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET}, unlock = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
  for (long i = 0; i < count; i++) {
    if (fcntl(file, F_OFD_SETLKW, &lock) != 0 || fcntl(file, F_OFD_SETLK, &unlock) != 0) return errno;
  }
  return 0;
}
