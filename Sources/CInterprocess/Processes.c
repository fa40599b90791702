#define _GNU_SOURCE
#include "CInterprocess.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <stdio.h>

// Newer than the headers of Debian 12.
#ifndef P_PIDFD
#define P_PIDFD 3
#endif

pid_t ci_fork(void) { return fork(); }

int ci_pidfd_open(pid_t pid, unsigned flags) { return (int)syscall(SYS_pidfd_open, pid, flags); }

int ci_pidfd_send_signal(int pidfd, int signal) {
  return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

int ci_waitid_pidfd(int pidfd, int options, int *code, int *status) {
  siginfo_t info = {0};
  int result = waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, options);
  *code = info.si_code;
  *status = info.si_status;
  return result == 0 ? info.si_pid : -1;
}

int ci_thread_count(void) {
  // A process's task directory has one entry a thread beside "." and "..", and counts its links so.
  struct stat status;
  if (stat("/proc/self/task", &status) != 0) return -1;
  return (int)status.st_nlink - 2;
}

bool ci_wait_exited(int status) { return WIFEXITED(status); }
int ci_wait_exit_code(int status) { return WEXITSTATUS(status); }
bool ci_wait_signalled(int status) { return WIFSIGNALED(status); }
int ci_wait_signal(int status) { return WTERMSIG(status); }
bool ci_wait_core_dumped(int status) { return WCOREDUMP(status); }
const char *ci_signal_abbreviation(int signal) { return sigabbrev_np(signal); }

int ci_tgkill(pid_t thread, int signal) { return (int)syscall(SYS_tgkill, getpid(), thread, signal); }

pid_t ci_thread_id(void) { return (pid_t)syscall(SYS_gettid); }

int ci_interrupt_timer_start_for(pid_t thread, timer_t *timer, int signal, struct timespec first,
                                 struct timespec interval) {
  struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = signal};
  event._sigev_un._tid = thread;
  if (timer_create(CLOCK_MONOTONIC, &event, timer) != 0) return -1;
  struct itimerspec times = {.it_value = first, .it_interval = interval};
  if (timer_settime(*timer, 0, &times, NULL) != 0) {
    timer_delete(*timer);
    return -1;
  }
  return 0;
}

int ci_start_thread(void *(*body)(void *), void *argument) {
  sigset_t all, previous;
  sigfillset(&all);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_sigmask(SIG_SETMASK, &all, &previous);
  pthread_t thread;
  int result = pthread_create(&thread, &attributes, body, argument);
  pthread_sigmask(SIG_SETMASK, &previous, NULL);
  pthread_attr_destroy(&attributes);
  errno = result;
  return result == 0 ? 0 : -1;
}

int ci_sigaction_handler(int signal, void (*handler)(int), struct sigaction *old) {
  struct sigaction action = {.sa_handler = handler};
  sigemptyset(&action.sa_mask);
  return sigaction(signal, &action, old);
}

bool ci_stdout_has_failed(void) { return ferror(stdout) != 0; }

void ci_die_with_parent(void) { prctl(PR_SET_PDEATHSIG, SIGKILL); }

bool ci_sigaction_is_default(int signal) {
  struct sigaction action;
  return sigaction(signal, NULL, &action) == 0 && action.sa_handler == SIG_DFL;
}

int ci_sigrtmax(void) { return SIGRTMAX; }
