#define _GNU_SOURCE
#include "CWorkers.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

// A load-time constructor would come too early: in a program with a static Swift runtime, libdispatch's own has not
// run by then, and the first `await` hangs. What __libc_start_main calls in place of `main` comes after all of them.

typedef int main_function(int, char **, char **);
typedef int start_function(main_function *, int, char **, void (*)(void), void (*)(void), void (*)(void), void *);

static const char marker_name[] = "INTERPROCESS_WORKER=";
static const char backtrace_name[] = "SWIFT_BACKTRACE=";
static const char magic[cw_greeting_size - cw_token_size + 1] = "ipcwork1";

// As in the marker: the socket's number, a colon, and the token in hexadecimal.
enum { control_descriptor = 3, marker_capacity = 64 };

static main_function *program_main;
static char **program_arguments;
static char marker[marker_capacity];

bool cw_can_take_over(void) { return program_main != NULL; }

static int current_depth;
int cw_depth(void) { return current_depth; }
void cw_set_depth(int depth) { current_depth = depth; }

static bool starts_with(const char *text, const char *prefix) { return strncmp(text, prefix, strlen(prefix)) == 0; }

// Takes the marker out of the environment and keeps its value: no program that is started from here on gets it.
static void take_marker(char **environment) {
  char **kept = environment;
  for (char **entry = environment; *entry; entry++) {
    if (!starts_with(*entry, marker_name)) {
      *kept++ = *entry;
      continue;
    }
    char *value = *entry + strlen(marker_name);
    if (strlen(value) < marker_capacity) strcpy(marker, value);
    // /proc/self/environ shows the bytes themselves.
    memset(*entry, 0, strlen(*entry));
  }
  *kept = NULL;
}

void cw_greeting(const uint8_t *token, uint8_t *greeting) {
  memcpy(greeting, magic, cw_greeting_size - cw_token_size);
  memcpy(greeting + cw_greeting_size - cw_token_size, token, cw_token_size);
}

static void write_token(char *text, const uint8_t *token) {
  for (int index = 0; index < cw_token_size; index++) sprintf(text + 2 * index, "%02x", token[index]);
}

// Whether the first message on the socket is the one that belongs to the marker. It is looked at and left there: the
// descriptor may be anybody's, when somebody has set the marker by hand.
static bool greeting_matches(int descriptor, const char *token) {
  uint8_t message[cw_greeting_size + 1];
  if (recv(descriptor, message, sizeof message, MSG_PEEK | MSG_DONTWAIT) != cw_greeting_size) return false;
  char expected[2 * cw_token_size + 1];
  write_token(expected, message + cw_greeting_size - cw_token_size);
  return memcmp(message, magic, cw_greeting_size - cw_token_size) == 0 && strcmp(expected, token) == 0;
}

static int socket_option(int descriptor, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  return getsockopt(descriptor, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

// The control socket that the marker names; -1 where it is not ours.
static int verified_control(void) {
  if (marker[0] == 0 || getauxval(AT_SECURE)) return -1;
  char *rest;
  long number = strtol(marker, &rest, 10);
  if (*rest != ':' || number != control_descriptor) return -1;
  int descriptor = (int)number;
  if (socket_option(descriptor, SO_DOMAIN) != AF_UNIX || socket_option(descriptor, SO_TYPE) != SOCK_SEQPACKET) return -1;
  struct ucred peer;
  socklen_t size = sizeof peer;
  if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.uid != geteuid()) return -1;
  if (!greeting_matches(descriptor, rest + 1)) return -1;
  uint8_t greeting[cw_greeting_size];
  if (recv(descriptor, greeting, sizeof greeting, MSG_DONTWAIT) != cw_greeting_size) return -1;
  fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  return descriptor;
}

static int main_or_worker(int count, char **arguments, char **environment) {
  int control = verified_control();
  memset(marker, 0, sizeof marker);
  if (control < 0) return program_main(count, arguments, environment);
  interprocess_worker_main(control);
}

__attribute__((visibility("default"))) int __libc_start_main(main_function *main, int count, char **arguments,
                                                             void (*init)(void), void (*fini)(void),
                                                             void (*rtld_fini)(void), void *stack_end) {
  start_function *start = (start_function *)dlsym(RTLD_NEXT, "__libc_start_main");
  if (!start) {
    static const char reason[] = "Workers: __libc_start_main not found: link the C library dynamically\n";
    if (write(STDERR_FILENO, reason, sizeof reason - 1)) {}
    _exit(127);
  }
  // For the rings of pools: with one thread it takes no time, with two it waits for every processor, 12 ms. What is
  // forked inherits it.
  syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0);
  program_main = main;
  program_arguments = arguments;
  take_marker(arguments + count + 1);
  // A constructor of a shared library may have moved it.
  if (environ && environ != arguments + count + 1) take_marker(environ);
  return start(marker[0] ? main_or_worker : main, count, arguments, init, fini, rtld_fini, stack_end);
}

static char **environment_with(char *marker_entry, char *backtrace_entry) {
  size_t count = 0;
  while (environ && environ[count]) count++;
  char **entries = malloc((count + 3) * sizeof *entries);
  if (!entries) return NULL;
  size_t kept = 0;
  for (size_t index = 0; index < count && environ[index]; index++) {
    if (starts_with(environ[index], marker_name) || starts_with(environ[index], backtrace_name)) continue;
    entries[kept++] = environ[index];
  }
  entries[kept++] = marker_entry;
  entries[kept++] = backtrace_entry;
  entries[kept] = NULL;
  return entries;
}

static int set_up_descriptors(posix_spawn_file_actions_t *actions, int control) {
  // First to its place: `control` itself may be below 3, in a program that closed its standard input.
  int error = posix_spawn_file_actions_adddup2(actions, control, control_descriptor);
  if (!error) error = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  for (int descriptor = STDOUT_FILENO; !error && descriptor <= STDERR_FILENO; descriptor++) {
    if (fcntl(descriptor, F_GETFD) != -1 && descriptor != control) continue;
    error = posix_spawn_file_actions_addopen(actions, descriptor, "/dev/null", O_WRONLY, 0);
  }
  if (!error) error = posix_spawn_file_actions_addclosefrom_np(actions, control_descriptor + 1);
  return error;
}

static int set_up_signals(posix_spawnattr_t *attributes) {
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  int error = posix_spawnattr_setsigmask(attributes, &none);
  if (!error) error = posix_spawnattr_setsigdefault(attributes, &all);
  // A group of its own: the terminal's Ctrl-C is the parent's affair.
  if (!error) error = posix_spawnattr_setpgroup(attributes, 0);
  short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP;
  return error ? error : posix_spawnattr_setflags(attributes, flags);
}

int cw_spawn_self(int control, const uint8_t *token, const char *backtrace, pid_t *process) {
  char marker_entry[sizeof marker_name + marker_capacity];
  int length = sprintf(marker_entry, "%s%d:", marker_name, control_descriptor);
  write_token(marker_entry + length, token);
  char backtrace_entry[128];
  snprintf(backtrace_entry, sizeof backtrace_entry, "%s%s", backtrace_name, backtrace);
  char **entries = environment_with(marker_entry, backtrace_entry);
  if (!entries) return ENOMEM;
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  int error = set_up_descriptors(&actions, control);
  if (!error) error = set_up_signals(&attributes);
  // The link leads to the file that runs here, whatever lies at its path by now.
  if (!error) error = posix_spawn(process, "/proc/self/exe", &actions, &attributes, program_arguments, entries);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  free(entries);
  return error;
}
