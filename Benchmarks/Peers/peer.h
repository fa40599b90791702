/* What the programs of `ipc bench --peers` share: two processes, pinned and timed as `ipc bench` does it.
 *
 * A program defines the four functions below and is run as
 *     peer round-trip|throughput BYTES same|different|free SECONDS
 * It prints: the value (nanoseconds a round trip, or bytes a second), nan and nan (no loop in C, no ratio), CPU seconds a
 * second, and for round trips the percentiles 1 10 25 50 75 90 95 99 99.5 99.9 100 in nanoseconds. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Called before the fork, with a name that is this run's own. */
static void peer_prepare(const char *name, size_t bytes);
/* Called in each of the two processes; the first one sends first. */
static void peer_open(int is_first);
static void peer_send(const void *message, size_t bytes);
static void peer_receive(void *message, size_t bytes);
/* Called in the first process at the end. */
static void peer_close(void);

struct peer_slice {
  volatile uint64_t end, cpu;
};

static void peer_fail(const char *what) {
  fprintf(stderr, "%s failed\n", what);
  exit(1);
}

static uint64_t peer_clock(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static int peer_by_size(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

static void peer_pin(const char *pinning, int is_first) {
  cpu_set_t all, one;
  if (!strcmp(pinning, "free") || sched_getaffinity(0, sizeof all, &all) != 0) return;
  int wanted = strcmp(pinning, "same") == 0 || is_first ? 0 : 1;
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &all) || wanted-- > 0) continue;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    sched_setaffinity(0, sizeof one, &one);
    return;
  }
}

/* A slice of `count` messages: the first message says how many follow, 0 that it is over. */
static double peer_lead(int round_trips, char *message, size_t bytes, uint64_t count, uint64_t *samples,
                        struct peer_slice *other, double *cpu) {
  memcpy(message, &count, sizeof count);
  peer_send(message, bytes);
  peer_receive(message, bytes); /* it is ready */
  uint64_t other_before = other->cpu, own_before = peer_clock(CLOCK_PROCESS_CPUTIME_ID);
  uint64_t start = peer_clock(CLOCK_MONOTONIC), last = start;
  for (uint64_t i = 0; i < count; i++) {
    peer_send(message, bytes);
    if (!round_trips) continue;
    peer_receive(message, bytes);
    uint64_t now = peer_clock(CLOCK_MONOTONIC);
    samples[i] = now - last;
    last = now;
  }
  peer_receive(message, bytes); /* it has everything */
  *cpu = (double)(peer_clock(CLOCK_PROCESS_CPUTIME_ID) - own_before + other->cpu - other_before);
  return (double)(other->end - start);
}

static void peer_follow(int round_trips, char *message, size_t bytes, struct peer_slice *own) {
  for (;;) {
    uint64_t count;
    peer_receive(message, bytes);
    memcpy(&count, message, sizeof count);
    if (count == 0) return;
    own->cpu = peer_clock(CLOCK_PROCESS_CPUTIME_ID);
    peer_send(message, bytes);
    for (uint64_t i = 0; i < count; i++) {
      peer_receive(message, bytes);
      if (round_trips) peer_send(message, bytes);
    }
    own->end = peer_clock(CLOCK_MONOTONIC);
    own->cpu = peer_clock(CLOCK_PROCESS_CPUTIME_ID);
    peer_send(message, bytes);
  }
}

static void peer_measure(int round_trips, char *message, size_t bytes, double seconds, struct peer_slice *other) {
  enum { most = 1 << 20 };
  static const double levels[] = {1, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100};
  uint64_t *samples = (uint64_t *)malloc(most * sizeof *samples), count = 1, stop = 0;
  double wall, cpu;
  for (;;) {
    wall = peer_lead(round_trips, message, bytes, count, samples, other, &cpu);
    if (wall >= seconds * 1e9 / 4 || count >= most / 2) break;
    double wanted = (double)count * seconds * 1e9 / (wall > 1 ? wall : 1);
    if (wanted > (double)count * 32) wanted = (double)count * 32;
    if (wanted > most) wanted = most;
    count = wanted > (double)count * 2 ? (uint64_t)wanted : count * 2;
  }
  memcpy(message, &stop, sizeof stop);
  peer_send(message, bytes);
  double each = wall / (double)count;
  printf("%.1f nan nan %.4f", round_trips ? each : (double)bytes * 1e9 / each, cpu / wall);
  if (round_trips) {
    qsort(samples, count, sizeof *samples, peer_by_size);
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
      uint64_t index = (uint64_t)(levels[i] / 100 * (double)(count - 1) + 0.5);
      printf(" %llu", (unsigned long long)samples[index]);
    }
  }
  printf("\n");
}

int main(int count, char **arguments) {
  if (count != 5) return 64;
  int round_trips = !strcmp(arguments[1], "round-trip");
  size_t bytes = (size_t)atol(arguments[2]);
  char name[64], *message = (char *)calloc(1, bytes);
  snprintf(name, sizeof name, "ipc-bench-peer-%d", getpid());
  struct peer_slice *shared = (struct peer_slice *)mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                                                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  peer_prepare(name, bytes);
  pid_t parent = getpid(), child = fork();
  int is_first = child != 0;
  peer_pin(arguments[3], is_first);
  if (!is_first) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    peer_open(0);
    peer_follow(round_trips, message, bytes, shared);
    _exit(0);
  }
  peer_open(1);
  peer_measure(round_trips, message, bytes, atof(arguments[4]), shared);
  fflush(stdout);
  int status = 0;
  waitpid(child, &status, 0);
  peer_close();
  _exit(0);
}
