#define _GNU_SOURCE
#include "CInterprocess.h"

#include <sys/syscall.h>

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

bool ci_waits_on_system_v_semaphore(long number) {
  // Some machines have semtimedop alone.
#ifdef SYS_semop
  if (number == SYS_semop) return true;
#endif
  return number == SYS_semtimedop;
}
