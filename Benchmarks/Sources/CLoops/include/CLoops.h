// The same work as the Swift loops', as one would write it in C. Each function does it `count` times and returns 0, or
// the errno of the call that failed. Messages lie where the Swift loops' do: the kernel copies some alignments faster.
#ifndef CLOOPS_H
#define CLOOPS_H

#include "CHeads.h"

enum { c_message_bytes = 64 };

int c_posix_message_queue(int queue, const void *message, void *buffer, long count);
int c_system_v_message_queue(int id, long count);

// Opened by name: glibc gives everyone in a process the same mapping.
int c_posix_semaphore(const char *name, long count);
int c_system_v_semaphore(int id, long count);

// With write() and read(), which raise SIGPIPE when the reader has gone.
int c_pipe(int reader, int writer, const void *message, void *buffer, long count);
// With pwritev2() and RWF_NOSIGNAL, which does not.
int c_pipe_without_signal(int reader, int writer, const void *message, void *buffer, long count);
int c_socket(int first, int second, const void *message, void *buffer, long count);
int c_event_counter(int counter, long count);
// A mutex of its own, made as the Swift one: robust, and for all processes.
int c_mutex(long count);
int c_unnamed_semaphore(long count);
// An open file description lock on the whole file.
int c_file_lock(int file, long count);

#endif
