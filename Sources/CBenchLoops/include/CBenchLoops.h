// Loops in C over each mechanism, as one would write them for speed alone: what `ipc bench` measures channels against.
// Functions return 0, or what errno was.
#ifndef C_BENCH_LOOPS_H
#define C_BENCH_LOOPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum bench_kind {
  bench_file,
  bench_mapped_file,
  bench_pipe,
  bench_named_pipe,
  bench_socket_pair,
  bench_unix_socket,
  bench_posix_queue,
  bench_system_v_queue,
  bench_posix_memory,
  bench_system_v_memory,
  bench_anonymous_memory,
};

enum { bench_largest_message = 1 << 20 };

struct bench_lane;

// One side: what it sends into and what it receives from. What it does not use is -1, or NULL.
struct bench_line {
  int out, in;
  // Of a file: how many bytes may be written into it, or read from it.
  int out_room, out_filled, in_room, in_filled;
  struct bench_lane *out_memory, *in_memory;
  uint64_t sent, received, out_offset, in_offset;
  uint64_t out_allowed, in_allowed;
};

// Both sides. No name is left of anything; System V queues stay until bench_remove().
struct bench_pair {
  enum bench_kind kind;
  struct bench_line first, second;
};

int bench_open(enum bench_kind kind, size_t largest_queued, struct bench_pair *pair);
// In a forked child: closes what only the other side needs, so that its end is seen.
void bench_close_first(struct bench_pair *pair);
void bench_close_second(struct bench_pair *pair);
// Removes what outlives its users. The loops that still wait return.
void bench_remove(struct bench_pair *pair);
void bench_close(struct bench_pair *pair);

// `buffer` holds one message, with room for a long before it, and for the largest. Two processes that share memory sleep
// on a futex, or yield, where they share one CPU, and spin on two.
struct bench_run {
  enum bench_kind kind;
  size_t bytes;
  void *buffer;
  long count;
  bool shares_cpu;
};

// `nanoseconds` has room for `count` round trips.
int bench_round_trips(struct bench_line *line, struct bench_run run, uint64_t *nanoseconds);
int bench_echo(struct bench_line *line, struct bench_run run);
int bench_send(struct bench_line *line, struct bench_run run);
int bench_receive(struct bench_line *line, struct bench_run run);

// Monotonic, the same for all processes.
uint64_t bench_now(void);
// What all threads of this process have used.
uint64_t bench_cpu_time(void);

// The CPUs this process may use: how many there are, the first `room` of them in `cpus`.
int bench_cpus(int *cpus, int room);
// Pins the calling thread to one of them; to all of them where `cpu` is -1.
int bench_pin(int cpu);

#endif
