#include "seqpacket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "program.h"

static struct sockaddr_un
address(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	errno = 0;
	if (strlen(path) >= sizeof(address.sun_path))
		die("the path of the socket is too long");
	memcpy(address.sun_path, path, strlen(path));
	return address;
}

int
seqpacket_listen(const char *path)
{
	struct sockaddr_un at = address(path);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, SOMAXCONN) != 0)
		die(path);
	return fd;
}

int
seqpacket_connect(const char *path)
{
	struct sockaddr_un at = address(path);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0)
		die(path);
	return fd;
}
