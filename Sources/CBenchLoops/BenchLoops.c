#define _GNU_SOURCE

#include <errno.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <sched.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "BenchLane.h"
#include "CBenchLoops.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

uint64_t bench_now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

uint64_t bench_cpu_time(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

// The parts of a message that is longer than a stream has room for.
ALWAYS_INLINE int write_all(int descriptor, const char *bytes, size_t size, bool is_socket) {
  while (size > 0) {
    ssize_t count = is_socket ? send(descriptor, bytes, size, MSG_NOSIGNAL) : write(descriptor, bytes, size);
    if (count < 0) return errno;
    bytes += count;
    size -= (size_t)count;
  }
  return 0;
}

ALWAYS_INLINE int read_all(int descriptor, char *bytes, size_t size, bool is_socket) {
  while (size > 0) {
    ssize_t count = is_socket ? recv(descriptor, bytes, size, 0) : read(descriptor, bytes, size);
    if (count <= 0) return count == 0 ? ECONNRESET : errno;
    bytes += count;
    size -= (size_t)count;
  }
  return 0;
}

struct system_v_message {
  long type;
  char bytes[];
};

// A buffer has room for the type before it: see bench_run.
ALWAYS_INLINE struct system_v_message *as_system_v(void *buffer) {
  return (struct system_v_message *)((char *)buffer - offsetof(struct system_v_message, bytes));
}

// A file's bytes go round in a circle; a counter of the kernel says how many may be written, another how many read.
ALWAYS_INLINE int move_file(int file, char *bytes, size_t size, bool writes, int mine, int theirs, uint64_t *allowed,
                            uint64_t *offset) {
  while (size > 0) {
    if (*allowed == 0 && read(mine, allowed, sizeof *allowed) != sizeof *allowed) return errno;
    size_t piece = size < *allowed ? size : (size_t)*allowed;
    if (piece > bench_file_size - *offset) piece = bench_file_size - *offset;
    ssize_t count =
        writes ? pwrite(file, bytes, piece, (off_t)*offset) : pread(file, bytes, piece, (off_t)*offset);
    if (count <= 0) return count == 0 ? EIO : errno;
    *offset = (*offset + (uint64_t)count) % bench_file_size;
    *allowed -= (uint64_t)count;
    uint64_t moved = (uint64_t)count;
    if (write(theirs, &moved, sizeof moved) != sizeof moved) return errno;
    bytes += count;
    size -= (size_t)count;
  }
  return 0;
}

ALWAYS_INLINE void futex_wait(_Atomic uint64_t *word, uint32_t value) {
  syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0);
}

ALWAYS_INLINE void pause_once(long round) {
  // Whoever is waited for may have no CPU of its own.
  if (round % 4096 == 4095)
    sched_yield();
  else
    __asm__ volatile("" ::: "memory");
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// A message at a time, as a ping-pong has it.
ALWAYS_INLINE void put_one(struct bench_line *line, struct bench_run run) {
  struct bench_lane *lane = line->out_memory;
  memcpy(lane->bytes, run.buffer, run.bytes);
  atomic_store_explicit(&lane->filled, ++line->sent, memory_order_release);
  if (run.shares_cpu) syscall(SYS_futex, &lane->filled, FUTEX_WAKE, 1, NULL, NULL, 0);
}

ALWAYS_INLINE void take_one(struct bench_line *line, struct bench_run run) {
  struct bench_lane *lane = line->in_memory;
  uint64_t wanted = line->received + 1;
  for (long round = 0; atomic_load_explicit(&lane->filled, memory_order_acquire) != wanted; round++) {
    if (run.shares_cpu)
      futex_wait(&lane->filled, (uint32_t)line->received);
    else
      pause_once(round);
  }
  memcpy(run.buffer, lane->bytes, run.bytes);
  line->received = wanted;
  atomic_store_explicit(&lane->emptied, wanted, memory_order_relaxed);
}

ALWAYS_INLINE int send_one(struct bench_line *line, struct bench_run run, enum bench_kind kind) {
  switch (kind) {
    case bench_file:
      return move_file(line->out, run.buffer, run.bytes, true, line->out_room, line->out_filled, &line->out_allowed,
                       &line->out_offset);
    case bench_pipe:
    case bench_named_pipe: return write_all(line->out, run.buffer, run.bytes, false);
    case bench_socket_pair:
    case bench_unix_socket: return write_all(line->out, run.buffer, run.bytes, true);
    case bench_posix_queue: return mq_send(line->out, run.buffer, run.bytes, 0) == 0 ? 0 : errno;
    case bench_system_v_queue:
      as_system_v(run.buffer)->type = 1;
      return msgsnd(line->out, as_system_v(run.buffer), run.bytes, 0) == 0 ? 0 : errno;
    default: put_one(line, run); return 0;
  }
}

ALWAYS_INLINE int receive_one(struct bench_line *line, struct bench_run run, enum bench_kind kind) {
  switch (kind) {
    case bench_file:
      return move_file(line->in, run.buffer, run.bytes, false, line->in_filled, line->in_room, &line->in_allowed,
                       &line->in_offset);
    case bench_pipe:
    case bench_named_pipe: return read_all(line->in, run.buffer, run.bytes, false);
    case bench_socket_pair:
    case bench_unix_socket: return read_all(line->in, run.buffer, run.bytes, true);
    case bench_posix_queue:
      return mq_receive(line->in, run.buffer, bench_largest_message, NULL) == (ssize_t)run.bytes ? 0 : errno;
    case bench_system_v_queue:
      return msgrcv(line->in, as_system_v(run.buffer), run.bytes, 0, 0) == (ssize_t)run.bytes ? 0 : errno;
    default: take_one(line, run); return 0;
  }
}

ALWAYS_INLINE int round_trips(struct bench_line *line, struct bench_run run, uint64_t *nanoseconds,
                              enum bench_kind kind) {
  uint64_t last = bench_now();
  for (long i = 0; i < run.count; i++) {
    int reason = send_one(line, run, kind);
    if (!reason) reason = receive_one(line, run, kind);
    if (reason) return reason;
    uint64_t now = bench_now();
    nanoseconds[i] = now - last;
    last = now;
  }
  return 0;
}

ALWAYS_INLINE int echo(struct bench_line *line, struct bench_run run, enum bench_kind kind) {
  for (long i = 0; i < run.count; i++) {
    int reason = receive_one(line, run, kind);
    if (!reason) reason = send_one(line, run, kind);
    if (reason) return reason;
  }
  return 0;
}

ALWAYS_INLINE bool is_memory(enum bench_kind kind) {
  return kind == bench_mapped_file || kind >= bench_posix_memory;
}

// Slots of one size, filled and emptied in turn; each side looks at the other's count when its own copy is used up.
static void put_in_slots(struct bench_line *line, struct bench_run run) {
  struct bench_lane *lane = line->out_memory;
  uint64_t slots = bench_lane_slots_size / run.bytes, sent = line->sent;
  uint64_t emptied = atomic_load_explicit(&lane->emptied, memory_order_acquire);
  for (long i = 0; i < run.count; i++) {
    for (long round = 0; sent - emptied == slots; round++) {
      emptied = atomic_load_explicit(&lane->emptied, memory_order_acquire);
      if (sent - emptied == slots) run.shares_cpu ? (void)sched_yield() : pause_once(round);
    }
    memcpy(lane->bytes + sent % slots * run.bytes, run.buffer, run.bytes);
    atomic_store_explicit(&lane->filled, ++sent, memory_order_release);
  }
  line->sent = sent;
}

static void take_from_slots(struct bench_line *line, struct bench_run run) {
  struct bench_lane *lane = line->in_memory;
  uint64_t slots = bench_lane_slots_size / run.bytes, received = line->received;
  uint64_t filled = received;
  for (long i = 0; i < run.count; i++) {
    for (long round = 0; received == filled; round++) {
      filled = atomic_load_explicit(&lane->filled, memory_order_acquire);
      if (received == filled) run.shares_cpu ? (void)sched_yield() : pause_once(round);
    }
    memcpy(run.buffer, lane->bytes + received % slots * run.bytes, run.bytes);
    atomic_store_explicit(&lane->emptied, ++received, memory_order_release);
  }
  line->received = received;
}

// What does not fit into a slot is memcpy alone, by one side.
static void copy_only(struct bench_line *line, struct bench_run run) {
  for (long i = 0; i < run.count; i++) {
    memcpy(line->out_memory->bytes, run.buffer, run.bytes);
    __asm__ volatile("" ::: "memory");
  }
}

ALWAYS_INLINE int send_all(struct bench_line *line, struct bench_run run, enum bench_kind kind) {
  if (is_memory(kind)) {
    run.bytes <= 4096 ? put_in_slots(line, run) : copy_only(line, run);
    return 0;
  }
  for (long i = 0; i < run.count; i++) {
    int reason = send_one(line, run, kind);
    if (reason) return reason;
  }
  return 0;
}

ALWAYS_INLINE int receive_all(struct bench_line *line, struct bench_run run, enum bench_kind kind) {
  if (is_memory(kind)) {
    if (run.bytes <= 4096) take_from_slots(line, run);
    return 0;
  }
  for (long i = 0; i < run.count; i++) {
    int reason = receive_one(line, run, kind);
    if (reason) return reason;
  }
  return 0;
}

// A loop for each kind of its own, with the choice outside of it.
#define FOR_EACH_KIND(CALL)                                           \
  switch (run.kind) {                                                 \
    case bench_file: return CALL(bench_file);                         \
    case bench_pipe:                                                  \
    case bench_named_pipe: return CALL(bench_pipe);                   \
    case bench_socket_pair:                                           \
    case bench_unix_socket: return CALL(bench_unix_socket);           \
    case bench_posix_queue: return CALL(bench_posix_queue);           \
    case bench_system_v_queue: return CALL(bench_system_v_queue);     \
    default: return CALL(bench_anonymous_memory);                     \
  }

int bench_round_trips(struct bench_line *line, struct bench_run run, uint64_t *nanoseconds) {
#define CALL(kind) round_trips(line, run, nanoseconds, kind)
  FOR_EACH_KIND(CALL)
#undef CALL
}

int bench_echo(struct bench_line *line, struct bench_run run) {
#define CALL(kind) echo(line, run, kind)
  FOR_EACH_KIND(CALL)
#undef CALL
}

int bench_send(struct bench_line *line, struct bench_run run) {
#define CALL(kind) send_all(line, run, kind)
  FOR_EACH_KIND(CALL)
#undef CALL
}

int bench_receive(struct bench_line *line, struct bench_run run) {
#define CALL(kind) receive_all(line, run, kind)
  FOR_EACH_KIND(CALL)
#undef CALL
}

static cpu_set_t all_cpus;

int bench_cpus(int *cpus, int room) {
  if (CPU_COUNT(&all_cpus) == 0 && sched_getaffinity(0, sizeof all_cpus, &all_cpus) != 0) return 0;
  int count = 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &all_cpus)) continue;
    if (count < room) cpus[count] = cpu;
    count++;
  }
  return count;
}

int bench_pin(int cpu) {
  cpu_set_t one;
  CPU_ZERO(&one);
  if (cpu >= 0) CPU_SET(cpu, &one);
  return sched_setaffinity(0, sizeof one, cpu >= 0 ? &one : &all_cpus) == 0 ? 0 : errno;
}
