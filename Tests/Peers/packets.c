// exchange PATH: connects to a sequenced packet server, sends it a pipe's reading end with the packet "pipe" and writes
// "from C" into the pipe; then takes a packet with one descriptor and prints both the packet and what is in the file.
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

union control {
  struct cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(int))];
};

int main(int count, char **arguments) {
  if (count != 3 || strcmp(arguments[1], "exchange")) return 2;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, arguments[2], sizeof address.sun_path - 1);
  int peer = socket(AF_UNIX, SOCK_SEQPACKET, 0);
  if (connect(peer, (struct sockaddr *)&address, sizeof address) != 0) return perror("connect"), 1;

  int ends[2];
  if (pipe(ends) != 0 || write(ends[1], "from C", 6) != 6) return perror("pipe"), 1;
  struct iovec text = {.iov_base = "pipe", .iov_len = 4};
  union control control = {.header = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
  struct msghdr message = {
      .msg_iov = &text, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  control.header.cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(&control.header), &ends[0], sizeof(int));
  if (sendmsg(peer, &message, 0) != 4) return perror("sendmsg"), 1;
  close(ends[0]);
  close(ends[1]);

  char packet[100] = "", contents[100] = "";
  struct iovec buffer = {.iov_base = packet, .iov_len = sizeof packet - 1};
  message.msg_iov = &buffer;
  if (recvmsg(peer, &message, 0) < 0) return perror("recvmsg"), 1;
  int file;
  memcpy(&file, CMSG_DATA(&control.header), sizeof file);
  if (read(file, contents, sizeof contents - 1) < 0) return perror("read"), 1;
  printf("%s: %s\n", packet, contents);
}
