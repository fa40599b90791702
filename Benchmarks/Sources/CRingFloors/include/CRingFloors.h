// What the ring is measured against: two forked processes, pinned to processors `first` and `second`, that do the same
// with as little as possible in between. All give nanoseconds a round trip or a message; below 0 where it cannot be had.
#ifndef CRINGFLOORS_H
#define CRINGFLOORS_H

#ifdef __cplusplus
extern "C" {
#endif

enum { c_ring_message_bytes = 64 };

void c_pin(int processor);

// A cache line goes to and fro.
double c_ping_pong(int first, int second, long count);
// rigtorp's SPSCQueue, its algorithm: slots of 64 bytes, an index a side, each with a copy of the other's.
double c_rigtorp_round_trip(int first, int second, long count);
double c_rigtorp_throughput(int first, int second, long count);
// boost::lockfree::spsc_queue; -1 where Boost is not installed.
double c_boost_throughput(int first, int second, long count);
// A futex a direction. After `idle` microseconds of silence each time; only the round trips are timed.
double c_futex_round_trip(int first, int second, long count, int idle);
double c_pipe_round_trip(int first, int second, long count);
double c_pipe_throughput(int first, int second, long size, long count);
// Copying `size` bytes within memory that is larger than the caches near the processor, as a ring of 16 messages is.
double c_memcpy(long size, long count);
// The processor time in seconds that this process has used, and its reaped children.
double c_processor_seconds(void);

#ifdef __cplusplus
}
#endif
#endif
