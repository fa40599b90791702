#define _GNU_SOURCE
#include "CWorkers.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

// Not a signalfd: of a signal that is blocked here alone, a thread that a library has started would take it away.
static int child_bell = -1;

static void ring_child_bell(int signal) {
  (void)signal;
  int reason = errno;
  uint64_t one = 1;
  if (write(child_bell, &one, sizeof one)) {}
  errno = reason;
}

int cw_child_signal_descriptor(void) {
  child_bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (child_bell < 0) return -1;
  struct sigaction action = {.sa_handler = ring_child_bell, .sa_flags = SA_RESTART};
  return sigaction(SIGCHLD, &action, NULL) == 0 ? child_bell : -1;
}

void cw_forget_child_signals(int descriptor) {
  struct sigaction action = {.sa_handler = SIG_DFL};
  sigaction(SIGCHLD, &action, NULL);
  close(descriptor);
}

int cw_random(void *bytes, size_t count) { return getrandom(bytes, count, 0) == (ssize_t)count ? 0 : -1; }

static int64_t microseconds(struct timeval time) { return (int64_t)time.tv_sec * 1000000 + time.tv_usec; }

static bool is_end(int code) { return code == CLD_EXITED || code == CLD_KILLED || code == CLD_DUMPED; }

pid_t cw_next_change(struct cw_change *change, bool waiting) {
  siginfo_t child = {0};
  *change = (struct cw_change){0};
  do {
    if (waitid(P_ALL, 0, &child, WEXITED | WSTOPPED | WCONTINUED | WNOWAIT | (waiting ? 0 : WNOHANG))) return -1;
    if (child.si_pid == 0) return 0;
    if (is_end(child.si_code)) break;
    // Not taken by wait4, which would take its end as well, had that come meanwhile.
    pid_t process = child.si_pid;
    child.si_pid = 0;
    if (waitid(P_PID, (id_t)process, &child, WSTOPPED | WCONTINUED | WNOHANG)) return -1;
  } while (child.si_pid == 0);
  change->process = child.si_pid;
  if (!is_end(child.si_code)) {
    change->status = child.si_code == CLD_CONTINUED ? 0xffff : child.si_status << 8 | 0x7f;
    return change->process;
  }
  // What a worker has started ends with it, while its number is still its own.
  kill(-child.si_pid, SIGKILL);
  struct rusage usage = {0};
  if (wait4(child.si_pid, &change->status, 0, &usage) == -1) return -1;
  change->resident_kilobytes = usage.ru_maxrss;
  change->user_microseconds = microseconds(usage.ru_utime);
  change->system_microseconds = microseconds(usage.ru_stime);
  return change->process;
}

bool cw_wait_stopped(int status) { return WIFSTOPPED(status); }
int cw_wait_stop_signal(int status) { return WSTOPSIG(status); }
bool cw_wait_continued(int status) { return WIFCONTINUED(status); }

void cw_name_process(const char *name) { prctl(PR_SET_NAME, name); }

static int resource_of(enum cw_limit limit) {
  switch (limit) {
    case cw_limit_data: return RLIMIT_DATA;
    case cw_limit_cpu_seconds: return RLIMIT_CPU;
    case cw_limit_open_files: return RLIMIT_NOFILE;
    case cw_limit_address_space: return RLIMIT_AS;
  }
  return -1;
}

int cw_lower_limit(enum cw_limit limit, uint64_t value) {
  struct rlimit current;
  if (getrlimit(resource_of(limit), &current) != 0) return -1;
  // Seconds of CPU: SIGXCPU, which says why, comes at the soft limit, and SIGKILL at the hard one.
  rlim_t hard = limit == cw_limit_cpu_seconds && value < RLIM_INFINITY - 1 ? value + 1 : value;
  if (hard < current.rlim_max) current.rlim_max = hard;
  current.rlim_cur = value < current.rlim_max ? value : current.rlim_max;
  return setrlimit(resource_of(limit), &current);
}

int cw_move_descriptor_up(int descriptor) {
  if (descriptor > STDERR_FILENO) return descriptor;
  int moved = fcntl(descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (moved >= 0) close(descriptor);
  return moved;
}

void cw_fill_standard_descriptors(void) {
  int descriptor;
  do descriptor = open("/dev/null", O_RDWR | O_CLOEXEC);
  while (descriptor >= 0 && descriptor <= STDERR_FILENO);
  if (descriptor >= 0) close(descriptor);
}

int cw_open_here(void) { return open(".", O_PATH | O_DIRECTORY | O_CLOEXEC); }

struct watched {
  bool (*ready)(void *);
  void *context;
  int descriptor;
};

static int watching = -1;
static int watched_parent = -1;

enum { most_queues = 8 };
static int doomed_queues[most_queues];
static int doomed_queue_count;

void cw_remove_queue(int id) { msgctl(id, IPC_RMID, NULL); }

static _Noreturn void follow_parent(void) {
  for (int index = 0; index < doomed_queue_count; index++) cw_remove_queue(doomed_queues[index]);
  // Nobody can block this signal, nor keep it from the threads.
  kill(getpid(), SIGKILL);
  while (true) pause();
}

void cw_leave_with_parent(int milliseconds) {
  struct pollfd entry = {.fd = watched_parent, .events = POLLIN};
  if (poll(&entry, 1, milliseconds) > 0) follow_parent();
}

static void *watch(void *unused) {
  (void)unused;
  while (true) {
    struct epoll_event event;
    if (epoll_wait(watching, &event, 1, -1) != 1) {
      if (errno == EINTR) continue;
      return NULL;
    }
    struct watched *watched = event.data.ptr;
    if (!watched) follow_parent();
    if (watched && !watched->ready(watched->context)) {
      epoll_ctl(watching, EPOLL_CTL_DEL, watched->descriptor, NULL);
      free(watched);
    }
  }
}

static void survive(int signal) { (void)signal; }

int cw_watch_parent(int pidfd, const int *queues, int count) {
  // When the fork server is killed, the kernel sends a worker that is stopped this, and has it go on: with queues to remove
  // it has to survive that. A handler, and not SIG_IGN, which the programs that it starts would inherit.
  struct sigaction action;
  if (count > 0 && sigaction(SIGHUP, NULL, &action) == 0 && action.sa_handler == SIG_DFL) {
    action = (struct sigaction){.sa_handler = survive, .sa_flags = SA_RESTART};
    sigaction(SIGHUP, &action, NULL);
  }
  doomed_queue_count = count < most_queues ? count : most_queues;
  for (int index = 0; index < doomed_queue_count; index++) doomed_queues[index] = queues[index];
  watched_parent = pidfd;
  watching = epoll_create1(EPOLL_CLOEXEC);
  if (watching < 0) return -1;
  struct epoll_event event = {.events = EPOLLIN};
  if (epoll_ctl(watching, EPOLL_CTL_ADD, pidfd, &event) != 0) return -1;
  sigset_t all, previous;
  sigfillset(&all);
  pthread_t thread;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_sigmask(SIG_SETMASK, &all, &previous);
  int error = pthread_create(&thread, &attributes, watch, NULL);
  pthread_sigmask(SIG_SETMASK, &previous, NULL);
  pthread_attr_destroy(&attributes);
  errno = error;
  return error ? -1 : 0;
}

int cw_watch_descriptor(int descriptor, bool (*ready)(void *), void *context) {
  struct watched *watched = malloc(sizeof *watched);
  if (!watched) return -1;
  *watched = (struct watched){ready, context, descriptor};
  struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = watched};
  int result = epoll_ctl(watching, EPOLL_CTL_ADD, descriptor, &event);
  if (result != 0) free(watched);
  return result;
}

// The runtime's own, which Swift code may not name.
void *swift_initStackObject(const void *metadata, void *object);
void *cw_init_stack_object(const void *metadata, void *memory) { return swift_initStackObject(metadata, memory); }
