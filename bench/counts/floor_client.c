/* floor_client SOCKET CALLS LENGTH: so many of the floor's calls, for ../counts.sh. */
#include <stdlib.h>
#include <string.h>

#include "../c/message.h"
#include "../c/seqpacket.h"

int
main(int argc, char **argv)
{
	struct buffer request = {0};
	struct buffer answer = {0};
	struct head   head;
	long	      calls;
	int	      fd;

	if (argc != 4)
		return 2;
	calls = atol(argv[2]);
	head = (struct head){.size = sizeof(head) + strtoul(argv[3], NULL, 10)};
	buffer_grow(&request, head.size > MAX_RECORD ? head.size : MAX_RECORD);
	buffer_grow(&answer, head.size > MAX_RECORD ? head.size : MAX_RECORD);
	memcpy(request.data, &head, sizeof(head));
	fd = seqpacket_connect(argv[1]);
	while (calls-- > 0) {
		send_message(fd, request.data, head.size);
		if (receive_message(fd, &answer) != head.size)
			return 1;
	}
	return 0;
}
