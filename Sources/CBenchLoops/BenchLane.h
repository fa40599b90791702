// One direction through shared memory.
#ifndef BENCH_LANE_H
#define BENCH_LANE_H

#include <stdalign.h>
#include <stdatomic.h>

#include "CBenchLoops.h"

enum {
  // As much as a channel's ring has.
  bench_lane_slots_size = 256 << 10,
  bench_lane_size = bench_largest_message + 4096,
  // As much as a channel's file has.
  bench_file_size = 1 << 20,
};

struct bench_lane {
  // How many messages were put in; and its lower half for a futex.
  alignas(64) _Atomic uint64_t filled;
  // How many were taken out.
  alignas(64) _Atomic uint64_t emptied;
  alignas(64) char bytes[];
};

#endif
