// The job in C: ten forked children, a pipe each. Prints the line that `ipc pi --json` prints, timed as there: from
// before the first fork to after the last child was reaped.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "CKernel.h"

enum { terms = 10000000, workers = 10 };

static void fail(const char *call) {
  perror(call);
  exit(1);
}

static double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static long start_of(long worker) { return worker * terms / workers; }

// Forks a child that sums one slice; returns the end of the pipe where its sum comes out.
static int fork_child(int worker, pid_t *child) {
  int ends[2];
  if (pipe(ends) != 0) fail("pipe");
  *child = fork();
  if (*child < 0) fail("fork");
  if (*child == 0) {
    close(ends[0]);
    double sum = c_slice_sum(start_of(worker), start_of(worker + 1));
    _exit(write(ends[1], &sum, sizeof sum) != sizeof sum);
  }
  close(ends[1]);
  return ends[0];
}

static void reap(pid_t child) {
  int status;
  if (waitpid(child, &status, 0) != child) fail("waitpid");
  if (status != 0) exit(1);
}

int main(void) {
  pid_t children[workers];
  int readers[workers];
  double total = 0;
  double start = seconds_now();
  for (int i = 0; i < workers; i++) readers[i] = fork_child(i, &children[i]);
  for (int i = 0; i < workers; i++) {
    double sum;
    if (read(readers[i], &sum, sizeof sum) != sizeof sum) fail("read");
    close(readers[i]);
    total += sum;
  }
  for (int i = 0; i < workers; i++) reap(children[i]);
  double pi = sqrt(8 * total);
  double seconds = seconds_now() - start;
  printf("{\"mechanism\":\"pipe\",\"pi\":%.16g,\"seconds\":%.9f,\"terms\":%d,\"workers\":%d}\n", pi, seconds, terms,
         workers);
}
