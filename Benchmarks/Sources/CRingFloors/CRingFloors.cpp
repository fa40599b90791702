#include "CRingFloors.h"

#include <atomic>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <linux/futex.h>
#include <new>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if __has_include(<boost/lockfree/spsc_queue.hpp>)
#include <boost/lockfree/spsc_queue.hpp>
#define HAS_BOOST 1
#endif

namespace {

struct Message {
  char bytes[c_ring_message_bytes];
};

double now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return 1e9 * time.tv_sec + time.tv_nsec;
}

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

template <class T> T *shared() {
  void *memory = mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : new (memory) T();
}

template <class T> void release(T *memory) { munmap(memory, sizeof(T)); }

// Runs `child` in a forked process, and `parent` here, which gives the result.
template <class Parent, class Child> double together(int first, int second, Parent parent, Child child) {
  cpu_set_t before;
  sched_getaffinity(0, sizeof before, &before);
  pid_t process = fork();
  if (process == -1) return -1;
  if (process == 0) {
    c_pin(second);
    child();
    _exit(0);
  }
  c_pin(first);
  double result = parent();
  waitpid(process, nullptr, 0);
  sched_setaffinity(0, sizeof before, &before);
  return result;
}

struct alignas(128) Line {
  std::atomic<uint32_t> value{0};
};

struct Lines {
  Line there, back;
};

// The algorithm of rigtorp::SPSCQueue 1.1, in memory that two processes share: one slot stays empty.
struct Rigtorp {
  static constexpr size_t capacity = 4096;
  alignas(128) std::atomic<size_t> write{0};
  alignas(128) size_t read_copy{0};
  alignas(128) std::atomic<size_t> read{0};
  alignas(128) size_t write_copy{0};
  alignas(128) Message slots[capacity];

  void push(const Message &message) {
    size_t const at = write.load(std::memory_order_relaxed);
    size_t next = at + 1;
    if (next == capacity) next = 0;
    while (next == read_copy) read_copy = read.load(std::memory_order_acquire);
    slots[at] = message;
    write.store(next, std::memory_order_release);
  }

  void pop(Message &message) {
    size_t const at = read.load(std::memory_order_relaxed);
    if (at == write_copy) {
      do write_copy = write.load(std::memory_order_acquire);
      while (at == write_copy);
    }
    message = slots[at];
    size_t next = at + 1;
    if (next == capacity) next = 0;
    read.store(next, std::memory_order_release);
  }
};

struct RigtorpPair {
  Rigtorp there, back;
};

void keep(Message &message) { __asm__ volatile("" : : "r"(&message) : "memory"); }

void futex_wait(std::atomic<uint32_t> &word, uint32_t value) {
  syscall(SYS_futex, &word, FUTEX_WAIT, value, nullptr, nullptr, 0);
}

void futex_wake(std::atomic<uint32_t> &word) { syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0); }

bool read_all(int fd, char *bytes, long size) {
  for (long done = 0; done < size;) {
    ssize_t count = read(fd, bytes + done, size - done);
    if (count <= 0) return false;
    done += count;
  }
  return true;
}

bool write_all(int fd, const char *bytes, long size) {
  for (long done = 0; done < size;) {
    ssize_t count = write(fd, bytes + done, size - done);
    if (count <= 0) return false;
    done += count;
  }
  return true;
}

} // namespace

extern "C" void c_pin(int processor) {
  if (processor < 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  sched_setaffinity(0, sizeof set, &set);
}

extern "C" double c_ping_pong(int first, int second, long count) {
  Lines *lines = shared<Lines>();
  double result = together(
      first, second,
      [&] {
        double start = now();
        for (uint32_t i = 1; i <= count; i++) {
          lines->there.value.store(i, std::memory_order_release);
          while (lines->there.value.load(std::memory_order_acquire) == i) relax();
        }
        return (now() - start) / count;
      },
      [&] {
        // One line: the answer is its next value.
        for (uint32_t i = 1; i <= count; i++) {
          while (lines->there.value.load(std::memory_order_acquire) != i) relax();
          lines->there.value.store(0, std::memory_order_release);
        }
      });
  release(lines);
  return result;
}

extern "C" double c_rigtorp_round_trip(int first, int second, long count) {
  RigtorpPair *pair = shared<RigtorpPair>();
  double result = together(
      first, second,
      [&] {
        Message message = {{7}};
        double start = now();
        for (long i = 0; i < count; i++) {
          pair->there.push(message);
          pair->back.pop(message);
          keep(message);
        }
        return (now() - start) / count;
      },
      [&] {
        Message message;
        for (long i = 0; i < count; i++) {
          pair->there.pop(message);
          keep(message);
          pair->back.push(message);
        }
      });
  release(pair);
  return result;
}

extern "C" double c_rigtorp_throughput(int first, int second, long count) {
  RigtorpPair *pair = shared<RigtorpPair>();
  double result = together(
      first, second,
      [&] {
        Message message = {{7}};
        double start = now();
        for (long i = 0; i < count; i++) pair->there.push(message);
        pair->back.pop(message);
        return (now() - start) / count;
      },
      [&] {
        Message message;
        for (long i = 0; i < count; i++) {
          pair->there.pop(message);
          keep(message);
        }
        pair->back.push(message);
      });
  release(pair);
  return result;
}

extern "C" double c_boost_throughput(int first, int second, long count) {
#ifdef HAS_BOOST
  using Queue = boost::lockfree::spsc_queue<Message, boost::lockfree::capacity<1024>>;
  Queue *queue = shared<Queue>();
  Lines *lines = shared<Lines>();
  double result = together(
      first, second,
      [&] {
        Message message = {{7}};
        double start = now();
        for (long i = 0; i < count; i++) {
          while (!queue->push(message)) {}
        }
        while (lines->back.value.load(std::memory_order_acquire) == 0) {}
        return (now() - start) / count;
      },
      [&] {
        Message message;
        for (long i = 0; i < count; i++) {
          while (!queue->pop(message)) {}
          keep(message);
        }
        lines->back.value.store(1, std::memory_order_release);
      });
  release(lines);
  release(queue);
  return result;
#else
  return -1;
#endif
}

extern "C" double c_futex_round_trip(int first, int second, long count, int idle) {
  Lines *lines = shared<Lines>();
  double result = together(
      first, second,
      [&] {
        double total = 0;
        for (uint32_t i = 1; i <= count; i++) {
          if (idle > 0) usleep(idle);
          double start = now();
          lines->there.value.store(i, std::memory_order_release);
          futex_wake(lines->there.value);
          while (lines->back.value.load(std::memory_order_acquire) != i) futex_wait(lines->back.value, i - 1);
          total += now() - start;
        }
        return total / count;
      },
      [&] {
        for (uint32_t i = 1; i <= count; i++) {
          while (lines->there.value.load(std::memory_order_acquire) != i) futex_wait(lines->there.value, i - 1);
          lines->back.value.store(i, std::memory_order_release);
          futex_wake(lines->back.value);
        }
      });
  release(lines);
  return result;
}

extern "C" double c_pipe_round_trip(int first, int second, long count) {
  int there[2], back[2];
  if (pipe(there) != 0 || pipe(back) != 0) return -1;
  double result = together(
      first, second,
      [&] {
        Message message = {{7}};
        double start = now();
        for (long i = 0; i < count; i++) {
          if (!write_all(there[1], message.bytes, sizeof message)) return -1.0;
          if (!read_all(back[0], message.bytes, sizeof message)) return -1.0;
        }
        return (now() - start) / count;
      },
      [&] {
        Message message;
        for (long i = 0; i < count; i++) {
          if (!read_all(there[0], message.bytes, sizeof message)) return;
          if (!write_all(back[1], message.bytes, sizeof message)) return;
        }
      });
  for (int end : {there[0], there[1], back[0], back[1]}) close(end);
  return result;
}

extern "C" double c_pipe_throughput(int first, int second, long size, long count) {
  int there[2], back[2];
  if (pipe(there) != 0 || pipe(back) != 0) return -1;
  char *bytes = new char[size];
  memset(bytes, 7, size);
  double result = together(
      first, second,
      [&] {
        double start = now();
        for (long i = 0; i < count; i++) {
          if (!write_all(there[1], bytes, size)) return -1.0;
        }
        if (!read_all(back[0], bytes, 1)) return -1.0;
        return (now() - start) / count;
      },
      [&] {
        for (long i = 0; i < count; i++) {
          if (!read_all(there[0], bytes, size)) return;
        }
        write_all(back[1], bytes, 1);
      });
  delete[] bytes;
  for (int end : {there[0], there[1], back[0], back[1]}) close(end);
  return result;
}

extern "C" double c_memcpy(long size, long count) {
  long slots = 16;
  char *from = new char[size], *to = new char[size * slots];
  memset(from, 7, size);
  memset(to, 7, size * slots);
  double start = now();
  for (long i = 0; i < count; i++) {
    memcpy(to + i % slots * size, from, size);
    __asm__ volatile("" : : "r"(to) : "memory");
  }
  double result = (now() - start) / count;
  delete[] from;
  delete[] to;
  return result;
}

extern "C" double c_processor_seconds(void) {
  double total = 0;
  for (int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage usage;
    getrusage(who, &usage);
    total += usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + 1e-6 * (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
  }
  return total;
}
