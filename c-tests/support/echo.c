#include "echo.h"

#include <stdlib.h>
#include <unistd.h>

#include "peer.h"

static void *
serve(void *arg)
{
	struct echo     *echo = arg;
	struct peer_call in;
	char             end;

	/* An empty record at the end of the connection is not a call. */
	while (peer_recv_call(echo->fd, &in) && in.msg != NULL) {
		if (in.call.sequence == 0 && peer_recv_record(echo->fd, &end, 1) == 0) {
			free(in.msg);
			return NULL;
		}
		peer_send_response(echo->fd, in.call.sequence, 0, in.call.body, in.call.len);
		echo->served++;
		free(in.msg);
	}
	free(in.msg);
	return NULL;
}

void
echo_start(struct echo *echo, int fd)
{
	echo->fd     = fd;
	echo->served = 0;
	if (pthread_create(&echo->thread, NULL, serve, echo) != 0)
		abort();
}

int
echo_stop(struct echo *echo)
{
	pthread_join(echo->thread, NULL);
	close(echo->fd);
	return echo->served;
}
