/*
 * A peer that knows bytes and no dRPC: it plays one side of a conversation
 * written down record by record, and fails at the first difference.
 *
 *   peer SCRIPT SOCKET
 *
 * A line of the script is one of
 *   accept            listen on SOCKET, take one connection
 *   connect           connect to SOCKET, waiting until somebody listens
 *   < RECORD          the next record received is exactly this one
 *   > RECORD          send this record
 *   eof               the other side has closed
 *   close             close this side
 *   # anything        a comment
 * A record is a list of words: hexadecimal bytes, or FROM+LENGTH for that
 * stretch of the pattern body, whose byte i is (i * 31 + 7) & 0xff. No word at
 * all is the empty record.
 */
#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define RECORD_MAX (1 << 18)

static const char *script_name;
static int line_number;

static _Noreturn void
give_up(const char *what)
{
	fprintf(stderr, "%s:%d: %s (errno %s)\n", script_name, line_number, what, strerror(errno));
	exit(1);
}

static struct sockaddr_un
address(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(addr.sun_path))
		give_up("the socket path is too long");
	strcpy(addr.sun_path, path);
	return addr;
}

/* The name appears only once somebody listens: a client may connect when it sees it. */
static int
listen_on(const char *path)
{
	struct sockaddr_un addr;
	char		   hidden[sizeof(addr.sun_path)];
	int		   fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	if (snprintf(hidden, sizeof(hidden), "%s~", path) >= (int)sizeof(hidden))
		give_up("the socket path is too long");
	addr = address(hidden);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 ||
	    listen(fd, 8) != 0 || rename(hidden, path) != 0)
		give_up("cannot listen");
	return fd;
}

static int
connect_to(const char *path)
{
	struct sockaddr_un addr = address(path);
	int		   tries;

	for (tries = 0; tries < 6000; tries++) {
		int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

		if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
			return fd;
		close(fd);
		usleep(10000);
	}
	give_up("cannot connect");
}

static size_t
parse_record(const char *words, uint8_t *record)
{
	size_t len = 0;

	while (*words != '\0') {
		unsigned long from;
		unsigned long count;
		unsigned int  byte;
		int	      used = 0;

		if (isspace((unsigned char)*words)) {
			words++;
		} else if (sscanf(words, "%lu+%lu%n", &from, &count, &used) == 2 && used > 0) {
			if (count > RECORD_MAX - len)
				give_up("the record is too long");
			for (; count > 0; count--, from++)
				record[len++] = (uint8_t)(from * 31 + 7);
			words += used;
		} else if (sscanf(words, "%2x%n", &byte, &used) == 1 && used == 2) {
			if (len == RECORD_MAX)
				give_up("the record is too long");
			record[len++] = (uint8_t)byte;
			words += used;
		} else {
			give_up("not a record");
		}
	}
	return len;
}

static void
print_record(const char *label, const uint8_t *record, size_t len)
{
	size_t i;

	fprintf(stderr, "%s %zu bytes:", label, len);
	for (i = 0; i < len && i < 80; i++)
		fprintf(stderr, "%s%02x", i % 8 == 0 ? " " : "", record[i]);
	fprintf(stderr, "%s\n", len > 80 ? " …" : "");
}

static void
expect_record(int fd, const uint8_t *expected, size_t len)
{
	static uint8_t found[RECORD_MAX];
	ssize_t	       n = recv(fd, found, sizeof(found), 0);

	if (n < 0)
		give_up("no record received");
	if ((size_t)n != len || memcmp(found, expected, len) != 0) {
		print_record("expected", expected, len);
		print_record("received", found, (size_t)n);
		errno = 0;
		give_up("another record was expected");
	}
}

int
main(int argc, char **argv)
{
	static char    line[4096];
	static uint8_t record[RECORD_MAX];
	FILE	      *script;
	int	       listener = -1;
	int	       fd = -1;

	if (argc != 3)
		return 2;
	script_name = argv[1];
	script = fopen(argv[1], "r");
	if (script == NULL)
		give_up("cannot read the script");
	alarm(60);
	while (fgets(line, sizeof(line), script) != NULL) {
		size_t len;

		line_number++;
		errno = 0;
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#' || line[0] == '\0')
			continue;
		if (strcmp(line, "accept") == 0) {
			if (listener < 0)
				listener = listen_on(argv[2]);
			fd = accept(listener, NULL, NULL);
			if (fd < 0)
				give_up("nobody connected");
		} else if (strcmp(line, "connect") == 0) {
			fd = connect_to(argv[2]);
		} else if (strcmp(line, "close") == 0) {
			close(fd);
		} else if (strcmp(line, "eof") == 0) {
			if (recv(fd, record, sizeof(record), 0) != 0)
				give_up("the other side has not closed");
			close(fd);
		} else if (line[0] == '<') {
			len = parse_record(line + 1, record);
			expect_record(fd, record, len);
		} else if (line[0] == '>') {
			len = parse_record(line + 1, record);
			if (send(fd, record, len, MSG_NOSIGNAL) != (ssize_t)len)
				give_up("not sent");
		} else {
			give_up("not a line of such a script");
		}
	}
	fclose(script);
	return 0;
}
