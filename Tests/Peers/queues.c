// Message queues, used from C: one verb a run. What a verb finds out is printed.
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/msg.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *call) {
  perror(call);
  exit(1);
}

static mqd_t posix_queue(const char *name, int flags) {
  mqd_t queue = mq_open(name, flags);
  if (queue < 0) fail("mq_open");
  return queue;
}

static void posix_create(const char *name, const char *count, const char *size) {
  struct mq_attr limits = {.mq_maxmsg = atol(count), .mq_msgsize = atol(size)};
  if (mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &limits) < 0) fail("mq_open");
}

static void posix_send(const char *name, const char *text, const char *priority) {
  if (mq_send(posix_queue(name, O_WRONLY), text, strlen(text), (unsigned)atoi(priority))) fail("mq_send");
}

static void posix_receive(const char *name) {
  mqd_t queue = posix_queue(name, O_RDONLY);
  struct mq_attr limits;
  if (mq_getattr(queue, &limits)) fail("mq_getattr");
  char *message = malloc((size_t)limits.mq_msgsize);
  struct timespec deadline;
  clock_gettime(CLOCK_REALTIME, &deadline);
  deadline.tv_sec += 10;
  unsigned priority;
  ssize_t size = mq_timedreceive(queue, message, (size_t)limits.mq_msgsize, &priority, &deadline);
  if (size < 0) fail("mq_timedreceive");
  printf("%u %.*s\n", priority, (int)size, message);
}

struct message {
  long type;
  char text[1024];
};

static int system_v_queue(const char *key, int flags) {
  int id = msgget((key_t)atoi(key), flags);
  if (id < 0) fail("msgget");
  return id;
}

static void system_v_send(const char *key, const char *text, const char *type) {
  struct message message = {.type = atol(type)};
  strncpy(message.text, text, sizeof message.text - 1);
  if (msgsnd(system_v_queue(key, 0), &message, strlen(message.text), 0)) fail("msgsnd");
}

static void system_v_receive(const char *key, const char *type) {
  struct message message;
  ssize_t size = msgrcv(system_v_queue(key, 0), &message, sizeof message.text, atol(type), 0);
  if (size < 0) fail("msgrcv");
  printf("%ld %.*s\n", message.type, (int)size, message.text);
}

int main(int count, char **arguments) {
  alarm(15);
  const char *verb = count > 2 ? arguments[1] : "", *name = count > 2 ? arguments[2] : "";
  if (!strcmp(verb, "posix-create") && count == 5) posix_create(name, arguments[3], arguments[4]);
  else if (!strcmp(verb, "posix-send") && count == 5) posix_send(name, arguments[3], arguments[4]);
  else if (!strcmp(verb, "posix-receive") && count == 3) posix_receive(name);
  else if (!strcmp(verb, "system-v-create") && count == 3) system_v_queue(name, IPC_CREAT | IPC_EXCL | 0600);
  else if (!strcmp(verb, "system-v-send") && count == 5) system_v_send(name, arguments[3], arguments[4]);
  else if (!strcmp(verb, "system-v-receive") && count == 4) system_v_receive(name, arguments[3]);
  else return 2;
  return 0;
}
