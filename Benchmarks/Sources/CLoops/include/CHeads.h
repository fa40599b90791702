// What a head of four bytes before each message of a stream costs in C alone.
#ifndef CHEADS_H
#define CHEADS_H

enum {
  c_head = 1,
  // Written by writev() from two places, and not from one.
  c_head_in_two_pieces = 2,
  // Read by 64 KiB at a time, or by two messages where that is more, and not by messages.
  c_head_read_ahead = 4,
};

// Sends messages of `payload` bytes, by a pipe or a Unix socket, from processor 0 to a process on the other one.
// Nanoseconds a message, or an errno, negative.
double c_heads(int is_socket, int ways, int processor, long payload, long count);

#endif
