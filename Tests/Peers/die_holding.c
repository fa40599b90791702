// Preloaded: the first process that is about to give a semaphore back is killed while it holds it.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/sem.h>

static void die_once(void) {
  const char *mark = getenv("DIE_HOLDING_MARK");
  if (mark && open(mark, O_CREAT | O_EXCL | O_WRONLY, 0600) >= 0) raise(SIGKILL);
}

int sem_post(sem_t *semaphore) {
  die_once();
  int (*real)(sem_t *) = dlsym(RTLD_NEXT, "sem_post");
  return real(semaphore);
}

int semtimedop(int id, struct sembuf *operations, size_t count, const struct timespec *timeout) {
  if (count == 1 && operations[0].sem_op > 0) die_once();
  int (*real)(int, struct sembuf *, size_t, const struct timespec *) = dlsym(RTLD_NEXT, "semtimedop");
  return real(id, operations, count, timeout);
}
