/* What the plain API says of connections and listeners that cannot be made, and of servers that are gone. */
#include "abi.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <drpc/library.h>

#include "support/calling.h"
#include "support/context.h"
#include "support/descriptors.h"
#include "support/dir.h"
#include "support/peer.h"
#include "support/said.h"

/* A name in the directory. */
static const char *
in(const struct dir *dir, const char *name)
{
	static char paths[4][160];
	static int  next;

	next = (next + 1) % 4;
	snprintf(paths[next], sizeof(paths[next]), "%s/%s", dir->path, name);
	return paths[next];
}

static void
make_file(const char *path)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fclose(file);
}

static void
cannot_connect(const char *path, int der)
{
	struct drpc *ctx;

	assert_int_equal(abi_connect(path, &ctx), abi_failed(der));
	assert_true(SAYS("connect"));
}

static void
cannot_listen(const char *path)
{
	assert_null(abi_listen((char *)path, context_no_handler));
	assert_true(SAYS("listen "));
}

/* --- connecting -------------------------------------------------------------------------- */

static void
missing_components_are_named(void **state)
{
	struct dir dir;

	(void)state;
	dir_make(&dir);
	cannot_connect(dir.sock, DER_NONEXIST);
	assert_true(SAYS("no such file or directory: the server is not running, or uses another path"));
	cannot_connect(in(&dir, "none/sock"), DER_NONEXIST);
	assert_true(SAYS("there is no directory ", in(&dir, "none:")));
	assert_int_equal(symlink("target", dir.sock), 0);
	cannot_connect(dir.sock, DER_NONEXIST);
	assert_true(SAYS("links lead to ", in(&dir, "target, which does not exist")));
	make_file(in(&dir, "file"));
	cannot_connect(in(&dir, "file/sock"), DER_NOTDIR);
	assert_true(SAYS("not a directory: ", in(&dir, "file is no directory")));
	assert_int_equal(symlink("ring", in(&dir, "ring")), 0);
	cannot_connect(in(&dir, "ring"), DER_MISC);
	assert_true(SAYS("too many levels of symbolic links: the link ", in(&dir, "ring")));
	dir_remove(&dir);
}

static void
what_is_at_the_path_is_told(void **state)
{
	struct dir dir;
	int        stream;

	(void)state;
	dir_make(&dir);
	close(peer_listen(dir.sock));
	cannot_connect(dir.sock, DER_MISC);
	assert_true(SAYS("connection refused: no server listens on the socket, which is there since 2", "Z: start the server"));
	cannot_connect(dir.path, DER_MISC);
	assert_true(SAYS("connection refused: the path is a directory: use the path of the server's socket"));
	make_file(in(&dir, "file"));
	cannot_connect(in(&dir, "file"), DER_MISC);
	assert_true(SAYS("connection refused: the path is a regular file: use the path of the server's socket"));

	struct sockaddr_un address = {.sun_family = AF_UNIX};

	stream = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", in(&dir, "stream"));
	assert_int_equal(bind(stream, (struct sockaddr *)&address, sizeof(address)), 0);
	cannot_connect(in(&dir, "stream"), DER_MISC);
	assert_true(SAYS("the socket is not of type SOCK_SEQPACKET", "use the path of the server's socket"));
	close(stream);
	dir_remove(&dir);
}

static int
is_refused(const struct dir *dir)
{
	struct drpc *ctx;
	int          listener = peer_listen(dir->sock);
	char         user[32];

	user_name(user);
	if (chmod(dir->sock, 0400) != 0 || abi_connect(dir->sock, &ctx) != abi_failed(DER_NO_PERM))
		return 1;
	if (!SAYS("permission denied: ", dir->sock, "(mode 0400, uid ", "does not let ", user, " connect to it"))
		return 2;
	if (chmod(dir->path, 0600) != 0 || abi_connect(dir->sock, &ctx) != abi_failed(DER_NO_PERM))
		return 3;
	if (!SAYS("permission denied: ", dir->path, "(mode 0600, uid ", "does not let ", user, " go through it"))
		return 4;
	if (abi_listen((char *)in(dir, "new"), context_no_handler) != NULL)
		return 5;
	if (!SAYS("permission denied: ", dir->path, "(mode 0600, uid ", "does not let ", user, " go through it"))
		return 6;
	if (chmod(dir->path, 0500) != 0 || abi_listen((char *)in(dir, "new"), context_no_handler) != NULL)
		return 7;
	if (!SAYS("permission denied: ", dir->path, "(mode 0500, uid ", "does not let ", user, " make a file in it"))
		return 8;
	close(listener);
	return chmod(dir->path, 0700);
}

static void
what_refuses_is_named(void **state)
{
	(void)state;
	as_user(is_refused);
}

static void
a_full_queue_is_told(void **state)
{
	struct drpc *first;
	struct dir   dir;
	int          listener;

	(void)state;
	dir_make(&dir);
	listener = peer_listen(dir.sock);
	assert_int_equal(listen(listener, 0), 0);
	assert_int_equal(chmod(dir.sock, 0640), 0);
	assert_int_equal(abi_connect(dir.sock, &first), 0);
	assert_int_equal(drpc_set_connect_timeout(30), 0);
	cannot_connect(dir.sock, DER_TIMEDOUT);
	assert_true(SAYS("timed out after 30 ms: the server runs but does not accept", "(mode 0640, uid "));
	assert_int_equal(drpc_set_connect_timeout(0), 0);
	assert_int_equal(drpc_close(first), 0);
	close(listener);
	dir_remove(&dir);
}

static void
bad_paths_are_told(void **state)
{
	char path[133];

	(void)state;
	memset(path, 'x', 132);
	path[132] = '\0';
	cannot_connect(path, DER_BADPATH);
	assert_true(SAYS("socket path of 132 bytes, the longest possible is 107"));
	cannot_connect("", DER_BADPATH);
	assert_true(SAYS("the socket path is empty"));
}

/* --- listening --------------------------------------------------------------------------- */

static void
what_is_in_the_way_of_a_listener_is_told(void **state)
{
	struct dir   dir;
	struct drpc *ctx;
	char         pid[32];

	(void)state;
	dir_make(&dir);
	cannot_listen(dir.path);
	assert_true(SAYS("address already in use: the path is a directory: choose another path"));
	make_file(in(&dir, "file"));
	cannot_listen(in(&dir, "file"));
	assert_true(SAYS("address already in use: the path is a regular file: choose another path"));
	assert_int_equal(symlink("nowhere", in(&dir, "link")), 0);
	cannot_listen(in(&dir, "link"));
	assert_true(SAYS("address already in use: the path is a symbolic link"));
	close(peer_listen(dir.sock));
	cannot_listen(dir.sock);
	assert_true(SAYS("no server listens on the socket, which is there since 2", "Z: remove the file"));
	assert_int_equal(unlink(dir.sock), 0);
	ctx = abi_listen(dir.sock, context_no_handler);
	assert_non_null(ctx);
	cannot_listen(dir.sock);
	snprintf(pid, sizeof(pid), "(pid %d, ", (int)getpid());
	assert_true(SAYS("address already in use: another server ", pid, "listens on the socket: stop that server"));
	assert_int_equal(drpc_close(ctx), 0);
	cannot_listen(in(&dir, "none/sock"));
	assert_true(SAYS("there is no directory ", in(&dir, "none: make it")));
	dir_remove(&dir);
}

/* --- calls ------------------------------------------------------------------------------- */

static void
a_server_that_closes_is_told(void **state)
{
	struct pair pair = pair_told();

	(void)state;
	/* It has the call. */
	assert_int_equal(shutdown(pair.peer, SHUT_WR), 0);
	do_call(pair.ctx, R_SYNC, -DER_NOREPLY);
	assert_true(SAYS("reply", "the server closed the connection after the call was sent, without a reply"));
	pair_free(&pair);
	/* It has gone before. */
	pair = pair_told();
	assert_int_equal(shutdown(pair.peer, SHUT_RDWR), 0);
	do_call(pair.ctx, R_SYNC, -DER_MISC);
	assert_true(SAYS("call", "the server closed the connection before the whole call was sent: connect again"));
	pair_free(&pair);
}

static void
the_limit_of_a_message_is_named(void **state)
{
	struct drpc    *ctx;
	struct dir      dir;
	int             listener;
	Drpc__Call     *call;
	Drpc__Response *resp = NULL;

	(void)state;
	dir_make(&dir);
	listener = peer_listen(dir.sock);
	assert_int_equal(abi_connect(dir.sock, &ctx), 0);
	call = call_new(ctx, 2, 206, 20000);
	assert_int_equal(drpc_set_max_message(1000), 0);
	assert_int_equal(drpc_call(ctx, R_SYNC, call, &resp), -DER_OVERFLOW);
	assert_true(SAYS("message of 2001", "the limit is 1000: drpc_set_max_message raises it"));
	assert_null(strstr(drpc_last_error(), "drpc_set_max_datagram"));
	assert_int_equal(drpc_set_max_message(0), 0);
	assert_int_equal(drpc_set_framing(ctx, DRPC_FRAMING_DATAGRAM), 0);
	assert_int_equal(drpc_set_max_datagram(16384), 0);
	assert_int_equal(drpc_call(ctx, R_SYNC, call, &resp), -DER_OVERFLOW);
	assert_true(SAYS("message of 2001", "the limit is 16384 for a datagram, which is what this peer is sent: "
					    "drpc_set_max_datagram raises it"));
	assert_null(strstr(drpc_last_error(), "drpc_set_max_message"));
	assert_int_equal(drpc_set_max_datagram(0), 0);
	drpc_call_free(call);
	assert_int_equal(drpc_close(ctx), 0);
	close(listener);
	dir_remove(&dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		unit(missing_components_are_named),
		unit(what_is_at_the_path_is_told),
		unit(what_refuses_is_named),
		unit(a_full_queue_is_told),
		unit(bad_paths_are_told),
		unit(what_is_in_the_way_of_a_listener_is_told),
		unit(a_server_that_closes_is_told),
		unit(the_limit_of_a_message_is_named),
	};

	return cmocka_run_group_tests_name("texts " ABI_NAME, tests, NULL, NULL);
}
