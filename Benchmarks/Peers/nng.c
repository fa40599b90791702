/* nng over ipc://, the pair protocol. */
#include "peer.h"

#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>

static char address[128];
static char path[100];
static nng_socket peer_socket;

static void peer_prepare(const char *name, size_t bytes) {
  (void)bytes;
  const char *directory = getenv("TMPDIR");
  snprintf(path, sizeof path, "%s/%s", directory && strlen(directory) < 60 ? directory : "/tmp", name);
  snprintf(address, sizeof address, "ipc://%s", path);
}

static void peer_open(int is_first) {
  if (nng_pair0_open(&peer_socket) != 0) peer_fail("nng_pair0_open");
  nng_socket_set_size(peer_socket, NNG_OPT_RECVMAXSZ, 0);
  if (is_first) {
    if (nng_listen(peer_socket, address, NULL, 0) != 0) peer_fail("nng_listen");
    return;
  }
  /* The other process may not listen yet. */
  for (int round = 0; nng_dial(peer_socket, address, NULL, 0) != 0; round++) {
    if (round > 1000) peer_fail("nng_dial");
    usleep(1000);
  }
}

static void peer_send(const void *message, size_t bytes) {
  if (nng_send(peer_socket, (void *)message, bytes, 0) != 0) peer_fail("nng_send");
}

static void peer_receive(void *message, size_t bytes) {
  size_t size = bytes;
  if (nng_recv(peer_socket, message, &size, 0) != 0 || size != bytes) peer_fail("nng_recv");
}

static void peer_close(void) { unlink(path); }
