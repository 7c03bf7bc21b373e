/*
 * floor_server SOCKET READY: hands the messages of one client back, and marks as c-tests/counts/hand_back.h says, for
 * ../counts.sh; the file READY appears once the client may connect.
 */
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "../c/message.h"
#include "../c/seqpacket.h"

int
main(int argc, char **argv)
{
	struct buffer buffer = {0};
	struct pollfd client = {.events = POLLIN};
	int	      listener;
	size_t	      size;

	if (argc != 3)
		return 2;
	buffer_grow(&buffer, MAX_RECORD);
	listener = seqpacket_listen(argv[1]);
	if (close(open(argv[2], O_CREAT | O_WRONLY, 0600)) != 0 || (client.fd = accept(listener, NULL, NULL)) < 0)
		return 1;
	while (poll(&client, 1, -1) > 0 && (size = receive_message(client.fd, &buffer)) > 0) {
		if (((struct head *)buffer.data)->rest != 0)
			getppid();
		send_message(client.fd, buffer.data, size);
	}
	return 0;
}
