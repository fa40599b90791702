// How a worker process begins and ends, as far as Swift cannot say it: before `main`, around `fork`, and in system calls
// that glibc's module leaves out.
#ifndef CWORKERS_H
#define CWORKERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Bootstrap. A process started by cw_spawn_self runs interprocess_worker_main, which Swift defines, in place of `main`.
enum { cw_token_size = 16, cw_greeting_size = 24 };
// Whether this program was linked so that its copies can become workers: a fully static one is not.
bool cw_can_take_over(void);
// What has to be the first message on the socket, for a token.
void cw_greeting(const uint8_t *token, uint8_t *greeting);
// Starts this program again with `control` as its socket, in a process group of its own, with all signals at their
// defaults, nothing to read, and no other descriptor above 2. Returns an errno.
int cw_spawn_self(int control, const uint8_t *token, const char *backtrace, pid_t *process);
_Noreturn void interprocess_worker_main(int control);

// How deep in pools of pools this process is: 0 where nobody started it as a worker.
int cw_depth(void);
void cw_set_depth(int depth);

// The fork server. The descriptor is readable, eight bytes of it, once a child has changed.
int cw_child_signal_descriptor(void);
void cw_forget_child_signals(int descriptor);
int cw_random(void *bytes, size_t count);

struct cw_change {
  pid_t process;
  int status;
  long resident_kilobytes;
  int64_t user_microseconds, system_microseconds;
};
// Waits for a change of any child, and reaps one that has ended, whose process group is killed first: the process, 0 when
// nothing has changed, -1 and errno.
pid_t cw_next_change(struct cw_change *change, bool waiting);
bool cw_wait_stopped(int status);
int cw_wait_stop_signal(int status);
bool cw_wait_continued(int status);

// A worker.
void cw_name_process(const char *name);
enum cw_limit { cw_limit_data, cw_limit_cpu_seconds, cw_limit_open_files, cw_limit_address_space };
int cw_lower_limit(enum cw_limit limit, uint64_t value);
int cw_move_descriptor_up(int descriptor);
// What is opened later must not become somebody's standard output.
void cw_fill_standard_descriptors(void);
int cw_open_here(void);
// Kills this process when the process of the pidfd ends, whatever its other threads do, and before that removes these
// queues of System V, at most 8.
int cw_watch_parent(int pidfd, const int *queues, int count);
void cw_remove_queue(int id);
// Does what the watching thread does when the parent has ended, where that is so by then: for a thread that may see it first.
void cw_leave_with_parent(int milliseconds);
// Has the watching thread call `ready` whenever the descriptor is readable or hung up, until it returns false.
int cw_watch_descriptor(int descriptor, bool (*ready)(void *), void *context);

// An object of the class at memory that the Swift runtime will not free.
void *cw_init_stack_object(const void *metadata, void *memory);

#endif
