// Memory and what lies in it, used from C: one verb a run. What a verb finds out is printed.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *call) {
  perror(call);
  exit(1);
}

static char *posix_memory(const char *name) {
  int fd = shm_open(name, O_RDWR, 0);
  if (fd < 0) fail("shm_open");
  struct stat status;
  if (fstat(fd, &status)) fail("fstat");
  char *memory = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) fail("mmap");
  return memory;
}

static char *system_v_memory(const char *key) {
  int id = shmget((key_t)atoi(key), 0, 0);
  if (id < 0) fail("shmget");
  char *memory = shmat(id, NULL, 0);
  if (memory == (char *)-1) fail("shmat");
  return memory;
}

static void posix_create(const char *name, const char *size) {
  int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
  if (fd < 0) fail("shm_open");
  if (ftruncate(fd, atol(size))) fail("ftruncate");
}

static void system_v_create(const char *key, const char *size) {
  if (shmget((key_t)atoi(key), (size_t)atol(size), IPC_CREAT | IPC_EXCL | 0600) < 0) fail("shmget");
}

// What SharedCondition does: sleeps for as long as nobody has raised the number that was seen under the lock.
static void await(pthread_mutex_t *mutex, uint32_t *sequence, uint32_t *number) {
  if (pthread_mutex_lock(mutex)) fail("pthread_mutex_lock");
  while (!*number) {
    uint32_t seen = __atomic_load_n(sequence, __ATOMIC_RELAXED);
    pthread_mutex_unlock(mutex);
    syscall(SYS_futex, sequence, FUTEX_WAIT, seen, NULL, NULL, 0);
    if (pthread_mutex_lock(mutex)) fail("pthread_mutex_lock");
  }
  pthread_mutex_unlock(mutex);
}

int main(int count, char **arguments) {
  alarm(15);
  if (count < 4) return 2;
  const char *verb = arguments[1], *name = arguments[2], *argument = arguments[3];
  if (!strcmp(verb, "posix-create")) return posix_create(name, argument), 0;
  if (!strcmp(verb, "system-v-create")) return system_v_create(name, argument), 0;

  char *memory = strncmp(verb, "system-v", 8) ? posix_memory(name) : system_v_memory(name);
  char *place = memory + atol(argument);
  if (strstr(verb, "-read")) {
    double value;
    memcpy(&value, place, sizeof value);
    printf("%g\n", value);
  } else if (strstr(verb, "-write") && count > 4) {
    double value = atof(arguments[4]);
    memcpy(place, &value, sizeof value);
  } else if (!strcmp(verb, "mutex-die")) {
    pthread_mutex_lock((pthread_mutex_t *)(place + 16));
    raise(SIGKILL);
  } else if (!strcmp(verb, "mutex-try")) {
    int result = pthread_mutex_trylock((pthread_mutex_t *)(place + 16));
    puts(result == 0 ? "locked" : result == EBUSY ? "busy" : result == EOWNERDEAD ? "owner died" : strerror(result));
    if (result == EOWNERDEAD) pthread_mutex_consistent((pthread_mutex_t *)(place + 16));
    if (result == 0 || result == EOWNERDEAD) pthread_mutex_unlock((pthread_mutex_t *)(place + 16));
  } else if (!strcmp(verb, "semaphore-post")) {
    sem_post((sem_t *)(place + 16));
  } else if (!strcmp(verb, "semaphore-acquire")) {
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += 10;
    if (sem_timedwait((sem_t *)(place + 16), &deadline)) fail("sem_timedwait");
  } else if (!strcmp(verb, "condition-await") && count > 5) {
    // Until a number is there, with a mutex at `place`.
    await((pthread_mutex_t *)(place + 16), (uint32_t *)(memory + atol(arguments[4]) + 16),
          (uint32_t *)(memory + atol(arguments[5])));
  } else if (!strcmp(verb, "condition-notify") && count > 5) {
    pthread_mutex_lock((pthread_mutex_t *)(place + 16));
    *(uint32_t *)(memory + atol(arguments[5])) = 1;
    pthread_mutex_unlock((pthread_mutex_t *)(place + 16));
    uint32_t *sequence = (uint32_t *)(memory + atol(arguments[4]) + 16);
    __atomic_fetch_add(sequence, 1, __ATOMIC_RELAXED);
    if (syscall(SYS_futex, sequence, FUTEX_WAKE, 1, NULL, NULL, 0) < 0) fail("futex");
  } else {
    return 2;
  }
  return 0;
}
