// Boost.Interprocess: a message_queue each way.
#include "peer.h"

#include <boost/interprocess/ipc/message_queue.hpp>
#include <string>

using boost::interprocess::message_queue;

static std::string there_name, back_name;
static message_queue *outgoing, *incoming;

static void peer_prepare(const char *name, size_t bytes) {
  there_name = std::string(name) + "-there";
  back_name = std::string(name) + "-back";
  // As many messages as fit into what a channel's ring has, and a few at least.
  size_t count = bytes > 0 && (1u << 20) / bytes > 4 ? (1u << 20) / bytes : 4;
  message_queue there(boost::interprocess::create_only, there_name.c_str(), count, bytes);
  message_queue back(boost::interprocess::create_only, back_name.c_str(), count, bytes);
}

static void peer_open(int is_first) {
  outgoing = new message_queue(boost::interprocess::open_only, (is_first ? there_name : back_name).c_str());
  incoming = new message_queue(boost::interprocess::open_only, (is_first ? back_name : there_name).c_str());
}

static void peer_send(const void *message, size_t bytes) { outgoing->send(message, bytes, 0); }

static void peer_receive(void *message, size_t bytes) {
  size_t size;
  unsigned priority;
  incoming->receive(message, bytes, size, priority);
  if (size != bytes) peer_fail("message_queue::receive");
}

static void peer_close(void) {
  message_queue::remove(there_name.c_str());
  message_queue::remove(back_name.c_str());
}
