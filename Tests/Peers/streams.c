// Pipes, FIFOs, sockets, files, memory and counters, used from C: one verb a run. What a verb finds out is printed. A
// descriptor is the number of one that was inherited.
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static int checked(int result, const char *call) {
  if (result < 0) {
    perror(call);
    exit(1);
  }
  return result;
}

// Prints what comes until the other side has closed.
static void drain(int fd) {
  char bytes[4096];
  ssize_t count;
  while ((count = read(fd, bytes, sizeof bytes)) > 0) fwrite(bytes, 1, (size_t)count, stdout);
  checked((int)count, "read");
}

static void put(int fd, const char *text) {
  size_t length = strlen(text);
  if (write(fd, text, length) != (ssize_t)length) checked(-1, "write");
}

static struct sockaddr_un address(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  return address;
}

static int bound(const char *path, int type) {
  struct sockaddr_un there = address(path);
  int fd = checked(socket(AF_UNIX, type, 0), "socket");
  checked(bind(fd, (struct sockaddr *)&there, sizeof there), "bind");
  return fd;
}

static int connected(const char *path, int type) {
  struct sockaddr_un there = address(path);
  int fd = checked(socket(AF_UNIX, type, 0), "socket");
  checked(connect(fd, (struct sockaddr *)&there, sizeof there), "connect");
  return fd;
}

// Answers one client with what it has sent.
static void serve(const char *path) {
  int listener = bound(path, SOCK_STREAM);
  checked(listen(listener, 1), "listen");
  int client = checked(accept(listener, NULL, NULL), "accept");
  char bytes[4096];
  ssize_t count;
  while ((count = read(client, bytes, sizeof bytes)) > 0)
    if (write(client, bytes, (size_t)count) != count) checked(-1, "write");
  unlink(path);
}

static void receive_datagram(const char *path) {
  char bytes[256];
  int fd = bound(path, SOCK_DGRAM);
  int count = checked((int)recv(fd, bytes, sizeof bytes, 0), "recv");
  unlink(path);
  printf("%.*s", count, bytes);
}

// The byte at an offset of a file or memory, and sets it to another where one is given.
static void exchange(int fd, long offset, const char *byte) {
  char *bytes = mmap(NULL, (size_t)offset + 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (bytes == MAP_FAILED) checked(-1, "mmap");
  printf("%d", bytes[offset]);
  if (byte) bytes[offset] = (char)atoi(byte);
}

// Whether the file can be locked, with a lock of the open file as Swift's are, or with one of the process.
static void try_lock(const char *path, int command) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  int fd = checked(open(path, O_RDWR), "open");
  printf(fcntl(fd, command, &lock) == 0 ? "free" : "held");
}

// Holds the file locked until the descriptor gives the end.
static void hold_lock(const char *path, int until) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  int fd = checked(open(path, O_RDWR), "open");
  checked(fcntl(fd, F_SETLKW, &lock), "fcntl");
  drain(until);
}

// Ends the process that a handle is of, and waits until it has ended.
static void end_process(int handle) {
  checked((int)syscall(SYS_pidfd_send_signal, handle, SIGTERM, NULL, 0), "pidfd_send_signal");
  struct pollfd entry = {.fd = handle, .events = POLLIN};
  printf(poll(&entry, 1, 10000) == 1 ? "ended" : "runs on");
}

// Sends a handle of this process through a socket, and ends when the other side closes.
static void send_own_handle(int socket) {
  int handle = checked((int)syscall(SYS_pidfd_open, getpid(), 0), "pidfd_open");
  char byte = 1;
  struct iovec bytes = {&byte, 1};
  union {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(int))];
  } control = {.head = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
  memcpy(CMSG_DATA(&control.head), &handle, sizeof handle);
  struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  checked((int)sendmsg(socket, &message, 0), "sendmsg");
  drain(socket);
}

int main(int count, char **arguments) {
  alarm(15);
  const char *verb = count > 2 ? arguments[1] : "", *name = count > 2 ? arguments[2] : "";
  const char *text = count > 3 ? arguments[3] : NULL;
  int number = atoi(name);
  if (!strcmp(verb, "read")) {
    drain(number);
  } else if (!strcmp(verb, "write")) {
    put(number, text);
  } else if (!strcmp(verb, "read-path")) {
    drain(checked(open(name, O_RDONLY), "open"));
  } else if (!strcmp(verb, "write-path")) {
    put(checked(open(name, O_WRONLY), "open"), text);
  } else if (!strcmp(verb, "connect")) {
    int fd = connected(name, SOCK_STREAM);
    put(fd, text);
    shutdown(fd, SHUT_WR);
    drain(fd);
  } else if (!strcmp(verb, "serve")) {
    serve(name);
  } else if (!strcmp(verb, "send-datagram")) {
    put(connected(name, SOCK_DGRAM), text);
  } else if (!strcmp(verb, "receive-datagram")) {
    receive_datagram(name);
  } else if (!strcmp(verb, "exchange")) {
    exchange(number, atol(text), count > 4 ? arguments[4] : NULL);
  } else if (!strcmp(verb, "exchange-path")) {
    exchange(checked(open(name, O_RDWR), "open"), atol(text), count > 4 ? arguments[4] : NULL);
  } else if (!strcmp(verb, "add")) {
    checked(eventfd_write(number, (eventfd_t)atoll(text)), "eventfd_write");
  } else if (!strcmp(verb, "take")) {
    eventfd_t taken;
    checked(eventfd_read(number, &taken), "eventfd_read");
    printf("%llu", (unsigned long long)taken);
  } else if (!strcmp(verb, "end-process")) {
    end_process(number);
  } else if (!strcmp(verb, "send-own-handle")) {
    send_own_handle(number);
  } else if (!strcmp(verb, "try-lock-of-file")) {
    try_lock(name, F_OFD_SETLK);
  } else if (!strcmp(verb, "try-lock-of-process")) {
    try_lock(name, F_SETLK);
  } else if (!strcmp(verb, "hold-lock")) {
    hold_lock(name, atoi(text));
  } else {
    return 2;
  }
  return 0;
}
