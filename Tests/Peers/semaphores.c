// Semaphores, used from C: one verb a run. What a verb finds out is printed.
#define _GNU_SOURCE
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sem.h>
#include <time.h>
#include <unistd.h>

union semun {
  int value;
  struct semid_ds *status;
  unsigned short *values;
};

static void fail(const char *call) {
  perror(call);
  exit(1);
}

static sem_t *posix_semaphore(const char *name) {
  sem_t *semaphore = sem_open(name, 0);
  if (semaphore == SEM_FAILED) fail("sem_open");
  return semaphore;
}

static void posix_acquire(const char *name) {
  struct timespec deadline;
  clock_gettime(CLOCK_REALTIME, &deadline);
  deadline.tv_sec += 10;
  if (sem_timedwait(posix_semaphore(name), &deadline)) fail("sem_timedwait");
}

static int system_v_set(const char *key) {
  int id = semget((key_t)atoi(key), 0, 0);
  if (id < 0) fail("semget");
  return id;
}

// As Stevens does: the last step is an operation, whose time tells others that the set is ready.
static void system_v_create(const char *key, const char *value) {
  int id = semget((key_t)atoi(key), 1, IPC_CREAT | IPC_EXCL | 0600);
  if (id < 0) fail("semget");
  if (semctl(id, 0, SETVAL, (union semun){.value = 0})) fail("semctl");
  struct sembuf raise = {.sem_op = (short)atoi(value)};
  if (semop(id, &raise, 1)) fail("semop");
}

// The set is there at once, its values and the operation come later.
static void system_v_create_slowly(const char *key, const char *value) {
  int id = semget((key_t)atoi(key), 1, IPC_CREAT | IPC_EXCL | 0600);
  if (id < 0) fail("semget");
  usleep(300 * 1000);
  unsigned short values[] = {(unsigned short)atoi(value)};
  if (semctl(id, 0, SETALL, (union semun){.values = values})) fail("semctl");
  struct sembuf changes[] = {{.sem_op = -1}, {.sem_op = 1}};
  if (semop(id, changes, 2)) fail("semop");
}

// A creator that dies too early.
static void system_v_create_only(const char *key) {
  if (semget((key_t)atoi(key), 2, IPC_CREAT | IPC_EXCL | 0600) < 0) fail("semget");
}

static void system_v_change(const char *key, const char *change) {
  struct sembuf operation = {.sem_op = (short)atoi(change)};
  struct timespec most = {.tv_sec = 10};
  if (semtimedop(system_v_set(key), &operation, 1, &most)) fail("semtimedop");
}

int main(int count, char **arguments) {
  alarm(15);
  const char *verb = count > 2 ? arguments[1] : "", *name = count > 2 ? arguments[2] : "";
  const char *number = count > 3 ? arguments[3] : "0";
  if (!strcmp(verb, "posix-create")) {
    if (sem_open(name, O_CREAT | O_EXCL, 0600, (unsigned)atoi(number)) == SEM_FAILED) fail("sem_open");
  } else if (!strcmp(verb, "posix-post")) {
    if (sem_post(posix_semaphore(name))) fail("sem_post");
  } else if (!strcmp(verb, "posix-acquire")) {
    posix_acquire(name);
  } else if (!strcmp(verb, "system-v-create")) {
    system_v_create(name, number);
  } else if (!strcmp(verb, "system-v-create-slowly")) {
    system_v_create_slowly(name, number);
  } else if (!strcmp(verb, "system-v-create-only")) {
    system_v_create_only(name);
  } else if (!strcmp(verb, "system-v-change")) {
    system_v_change(name, number);
  } else {
    return 2;
  }
  return 0;
}
