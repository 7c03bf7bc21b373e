/* Our own additions: errors as text, statuses and descriptors, logging, timeouts, limits. */
#include "abi.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <daos/drpc_modules.h>
#include <daos/drpc_progress.h>
#include <drpc/library.h>

#include "support/body.h"
#include "support/context.h"
#include "support/descriptors.h"
#include "support/dir.h"
#include "support/exchange.h"
#include "support/loop.h"
#include "support/patience.h"
#include "support/peer.h"

/* --- errors as text ---------------------------------------------------------------- */

static void *
last_error_of_a_new_thread(void *arg)
{
	(void)arg;
	return (void *)(drpc_last_error()[0] == '\0' ? "empty" : "full");
}

static void
last_error_tells_what_to_do(void **state)
{
	struct dir   dir;
	struct drpc *ctx;
	char         text[256];

	(void)state;
	dir_make(&dir);
	close(peer_listen(dir.sock));
	assert_true(abi_connect(dir.sock, &ctx) < 0);
	snprintf(text, sizeof(text),
		 "connect %s: connection refused: no server listens on the socket, which is there since 2", dir.sock);
	assert_memory_equal(drpc_last_error(), text, strlen(text));
	assert_non_null(strstr(drpc_last_error(), "Z: start the server"));
	snprintf(text, sizeof(text), "%s", drpc_last_error());
	dir_remove(&dir);
	assert_true(abi_connect(dir.sock, &ctx) < 0);
	assert_non_null(strstr(drpc_last_error(), dir.sock));
	assert_string_not_equal(drpc_last_error(), text);
}

static void
each_thread_has_its_last_error(void **state)
{
	pthread_t thread;
	void     *found;
	char      mine[512];

	(void)state;
	assert_int_equal(drpc_close(NULL), -DER_INVAL);
	assert_string_not_equal(drpc_last_error(), "");
	snprintf(mine, sizeof(mine), "%s", drpc_last_error());
	assert_int_equal(pthread_create(&thread, NULL, last_error_of_a_new_thread, NULL), 0);
	assert_int_equal(pthread_join(thread, &found), 0);
	assert_string_equal(found, "empty");
	assert_string_equal(drpc_last_error(), mine);
}

static void
last_error_keeps_errno(void **state)
{
	(void)state;
	errno = 4711;
	drpc_last_error();
	drpc_strerror(-DER_NOMEM);
	assert_int_equal(errno, 4711);
}

static void
long_paths_fit_the_last_error(void **state)
{
	char         path[8192];
	struct drpc *ctx;

	(void)state;
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(abi_connect(path, &ctx), abi_failed(DER_BADPATH));
	assert_in_range(strlen(drpc_last_error()), 1, 511);
	/* A path need not be text. */
	memset(path, 0xff, 100);
	path[100] = '\0';
	assert_int_equal(abi_connect(path, &ctx), abi_failed(DER_NONEXIST));
	assert_string_not_equal(drpc_last_error(), "");
}

static void
strerror_knows_every_code(void **state)
{
	static const int codes[] = {
#define IS(name, value) -(value),
#include "support/der.h"
#undef IS
	};
	char   unknown[512];
	size_t i;

	(void)state;
	snprintf(unknown, sizeof(unknown), "%s", drpc_strerror(-999999));
	assert_string_not_equal(unknown, "");
	for (i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
		assert_non_null(drpc_strerror(codes[i]));
		assert_string_not_equal(drpc_strerror(codes[i]), "");
	}
	/* Those that the library itself returns have words of their own. */
	assert_string_not_equal(drpc_strerror(-DER_INVAL), unknown);
	assert_string_not_equal(drpc_strerror(-DER_NOMEM), unknown);
	assert_string_not_equal(drpc_strerror(-DER_NOREPLY), unknown);
	assert_string_not_equal(drpc_strerror(-DER_MISC), unknown);
	assert_string_not_equal(drpc_strerror(-DER_INVAL), drpc_strerror(-DER_NOMEM));
	assert_string_not_equal(drpc_strerror(0), unknown);
	assert_non_null(drpc_strerror(1));
	assert_non_null(drpc_strerror(INT32_MIN));
	assert_non_null(drpc_strerror(INT32_MAX));
}

static void
version_is_that_of_the_headers(void **state)
{
	char version[32];

	(void)state;
	(void)snprintf(version, sizeof(version), "%d.%d.%d", DRPC_VERSION_MAJOR, DRPC_VERSION_MINOR, DRPC_VERSION_PATCH);
	assert_string_equal(drpc_version(), version);
	(void)snprintf(version, sizeof(version), "%d.%d.%d", DRPC_VERSION_NUMBER >> 16, DRPC_VERSION_NUMBER >> 8 & 0xff,
		       DRPC_VERSION_NUMBER & 0xff);
	assert_string_equal(drpc_version(), version);
}

/* --- statuses and descriptors -------------------------------------------------------- */

static void
statuses_have_names(void **state)
{
	static const char *const names[] = {
	    [DRPC__STATUS__SUCCESS] = "SUCCESS",
	    [DRPC__STATUS__SUBMITTED] = "SUBMITTED",
	    [DRPC__STATUS__FAILURE] = "FAILURE",
	    [DRPC__STATUS__UNKNOWN_MODULE] = "UNKNOWN_MODULE",
	    [DRPC__STATUS__UNKNOWN_METHOD] = "UNKNOWN_METHOD",
	    [DRPC__STATUS__FAILED_UNMARSHAL_CALL] = "FAILED_UNMARSHAL_CALL",
	    [DRPC__STATUS__FAILED_UNMARSHAL_PAYLOAD] = "FAILED_UNMARSHAL_PAYLOAD",
	    [DRPC__STATUS__FAILED_MARSHAL] = "FAILED_MARSHAL",
	};
	int status;

	(void)state;
	for (status = 0; status < 8; status++) {
		assert_string_equal(drpc_status_name(status), names[status]);
		assert_int_equal(drpc_status_value(names[status]), status);
	}
}

/* A status may be any number that a peer sends, a name whatever a user types. */
static void
other_statuses_have_none(void **state)
{
	static const int         numbers[] = {-1, 8, INT32_MIN, INT32_MAX};
	static const char *const names[]   = {"", "success", "SUCCES", "SUCCESS ", "unknown status", "\xff"};
	size_t                   i;

	(void)state;
	for (i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		assert_string_equal(drpc_status_name(numbers[i]), "unknown status");
	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		assert_int_equal(drpc_status_value(names[i]), -DER_NONEXIST);
	assert_int_equal(drpc_status_value(NULL), -DER_INVAL);
}

/* --- modules and methods in words ------------------------------------------------------ */

/* A constant of DAOS's with its number. */
struct constant {
	const char *name;
	int32_t     number;
};

static const struct constant constants[] = {
#define IS(name, number) {#name, number},
#ifdef DRPC_ABI_08
#include "support/modules-0.8.h"
#else
#include "support/modules-2.8.h"
#endif
#undef IS
};

/* What stands behind a prefix of `name`, if the prefix is there. */
static const char *
behind(const char *name, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(name, prefix, len) == 0 ? name + len : NULL;
}

/* Whether a text has the letters of a name, which are capital. */
static bool
is_in_small_letters(const char *text, const char *name)
{
	return text != NULL && strcasecmp(text, name) == 0 && strpbrk(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == NULL;
}

/* Names that methods had from 1.2 to 2.6. A number has one text, of the name that it had last. */
static bool
was_renamed(const char *name)
{
	return strcmp(name, "REINTEGRATE") == 0 || strcmp(name, "EXCLUDE") == 0 || strcmp(name, "EXTEND") == 0 ||
	       strcmp(name, "DRAIN") == 0;
}

static void
every_module_and_method_has_a_name(void **state)
{
	static const char *const prefixes[] = {"", "DRPC_METHOD_SEC_AGENT_", "DRPC_METHOD_MGMT_", "DRPC_METHOD_SRV_",
					       "DRPC_METHOD_SEC_"};
	size_t                   named = 0;
	size_t                   i;

	(void)state;
	for (i = 0; i < sizeof(constants) / sizeof(*constants); i++) {
		int32_t     number = constants[i].number;
		int32_t     module = number / 100;
		const char *name   = behind(constants[i].name, "DRPC_MODULE_");

		if (behind(constants[i].name, "NUM_") != NULL)
			continue;
		named++;
		if (name != NULL) {
			assert_true(is_in_small_letters(drpc_module_name(number), name));
			continue;
		}
		assert_in_range(module, 1, 4);
		name = behind(constants[i].name, prefixes[module]);
		/* DAOS leaves the module out of four names. */
		if (name == NULL)
			name = behind(constants[i].name, "DRPC_METHOD_");
		assert_non_null(name);
		if (was_renamed(name)) {
			name = drpc_method_name(module, number) + strlen("pool_");
			assert_memory_equal(drpc_method_name(module, number), "pool_", strlen("pool_"));
		} else {
			assert_true(is_in_small_letters(drpc_method_name(module, number), name));
		}
	}
	assert_int_equal(named, ABI_CHUNKED ? 5 + 69 : 5 + 28);
}

static void
other_numbers_have_no_name(void **state)
{
	static const int32_t numbers[] = {-1, 5, 7, 100, 101, 201, INT32_MIN, INT32_MAX};
	size_t               i;

	(void)state;
	for (i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		assert_null(drpc_module_name(numbers[i]));
		assert_null(drpc_method_name(numbers[i], numbers[i]));
		assert_null(drpc_method_name(numbers[i], 201));
	}
	/* The module of the tests, a method of another module, and the numbers about the first and the last. */
	assert_null(drpc_method_name(0, 0));
	assert_null(drpc_method_name(1, 201));
	assert_null(drpc_method_name(2, 101));
	assert_null(drpc_method_name(2, 200));
	assert_null(drpc_method_name(2, ABI_CHUNKED ? 253 : 225));
}

/* What is in it is read by protobuf_c.sh. */
static void
the_descriptor_set_has_a_size(void **state)
{
	size_t         len = 0;
	const uint8_t *set = drpc_file_descriptor_set(&len);
	uint8_t        copy[4096];

	(void)state;
	assert_non_null(set);
	assert_in_range(len, 1, sizeof(copy));
	memcpy(copy, set, len);
	assert_ptr_equal(drpc_file_descriptor_set(&len), set);
	assert_memory_equal(copy, set, len);
	assert_null(drpc_file_descriptor_set(NULL));
}

/* --- logging --------------------------------------------------------------------------- */

struct lines {
	int  count;
	int  last_level;
	char last[1024];
};

static void
take_line(int level, const char *line, void *arg)
{
	struct lines *lines = arg;

	lines->count++;
	lines->last_level = level;
	snprintf(lines->last, sizeof(lines->last), "%s", line);
}

static void
the_log_callback_gets_lines(void **state)
{
	struct lines lines = {0};
	struct drpc *ctx;

	(void)state;
	drpc_set_log(take_line, &lines);
	assert_true(abi_connect("/nonexistent/drpc.sock", &ctx) < 0);
	drpc_set_log(NULL, NULL);
	assert_true(lines.count >= 1);
	assert_int_equal(lines.last_level, DRPC_LOG_ERROR);
	assert_non_null(strstr(lines.last, "/nonexistent/drpc.sock"));
	assert_null(strchr(lines.last, '\n'));
	/* Silence again. */
	lines.count = 0;
	assert_true(abi_connect("/nonexistent/drpc.sock", &ctx) < 0);
	assert_int_equal(lines.count, 0);
}

static void
call_again(int level, const char *line, void *arg)
{
	struct drpc *ctx;
	int         *depth = arg;

	(void)level;
	(void)line;
	if ((*depth)++ == 0)
		abi_connect("/nonexistent/drpc.sock", &ctx);
	errno = 4711;
}

static void
the_log_callback_may_call_the_library(void **state)
{
	struct drpc *ctx;
	int          depth = 0;

	(void)state;
	drpc_set_log(call_again, &depth);
	assert_int_equal(abi_connect("/nonexistent/drpc.sock", &ctx), abi_failed(DER_NONEXIST));
#ifdef DRPC_ABI_08
	assert_int_equal(errno, ENOENT);
#endif
	assert_true(depth >= 1);
	drpc_set_log(NULL, NULL);
}

static long
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
a_peer_cannot_flood_the_log(void **state)
{
	struct lines                  lines = {0};
	struct drpc_progress_context *loop;
	struct dir                    dir;
	long                          start = now_ms();
	int                           peer;
	int                           i;

	(void)state;
	dir_make(&dir);
	loop = drpc_progress_context_create(abi_listen(dir.sock, context_no_handler));
	assert_non_null(loop);
	drpc_set_log(take_line, &lines);
	for (i = 0; i < 500; i++) {
		peer = peer_connect(dir.sock);
		assert_true(peer_send_message(peer, (const uint8_t *)"\xff\xff", 2));
		drpc_progress(loop, PATIENCE_MS);
		drpc_progress(loop, PATIENCE_MS);
		close(peer);
	}
	drpc_set_log(NULL, NULL);
	drpc_progress_context_close(loop);
	dir_remove(&dir);
	/* In each second ten, and one that tells how many were left out. */
	assert_in_range(lines.count, 1, 11 * ((now_ms() - start) / 1000 + 2));
}

static void
append_line(int level, const char *line, void *arg)
{
	char *text = arg;

	snprintf(text + strlen(text), 4096 - strlen(text), "%d %s\n", level, line);
}

/* The sessions of a progress loop and their calls; without a level the function gets nothing of them. */
static void
a_loop_tells_of_sessions_and_calls(void **state)
{
	struct server server;
	char          text[4096];
	char          who[64];
	int           peer;

	(void)state;
	snprintf(who, sizeof(who), " pid=%d uid=%d path=/", (int)getpid(), (int)geteuid());
	for (int level = 0; level <= DRPC_LOG_TRACE; level += DRPC_LOG_TRACE) {
		text[0] = '\0';
		loop_serve(&server, loop_echo);
		drpc_set_log(append_line, text);
		assert_int_equal(drpc_set_log_level(level), 0);
		peer = loop_join(&server);
		exchange_send(peer, 2, 206, 7, 10);
		loop_settle(server.loop);
		exchange_expect(peer, 7, DRPC__STATUS__SUCCESS, 10);
		close(peer);
		loop_settle(server.loop);
		drpc_set_log(NULL, NULL);
		assert_int_equal(drpc_set_log_level(0), 0);
		loop_stop(&server);
		if (level == 0) {
			assert_string_equal(text, "");
			continue;
		}
		assert_non_null(strstr(text, "4 a session begins"));
		assert_non_null(strstr(text, "4 the client's framing is found out framing="));
		assert_non_null(strstr(text, "5 a call was answered call=mgmt.get_attach_info call_bytes=10 response_bytes=10 "
					     "sequence=7 status=SUCCESS us="));
		assert_non_null(strstr(text, "4 a session ends: the client closed it"));
		assert_non_null(strstr(text, who));
	}
}

/* What a fresh process with this DRPC_LOG writes to stderr while a connect fails. */
static size_t
stderr_of_child(const char *level, char *text, size_t size)
{
	char    self[512] = "";
	int     fds[2];
	size_t  len = 0;
	ssize_t n;
	int     status;
	pid_t   child;

	/* By its name: under valgrind the link itself leads to valgrind. */
	assert_in_range(readlink("/proc/self/exe", self, sizeof(self) - 1), 1, sizeof(self) - 2);
	assert_int_equal(pipe(fds), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		dup2(fds[1], STDERR_FILENO);
		close(fds[0]);
		close(fds[1]);
		if (level == NULL)
			unsetenv("DRPC_LOG");
		else
			setenv("DRPC_LOG", level, 1);
		execl(self, "library", "fail", (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	while ((n = read(fds[0], text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	return len;
}

static void
drpc_log_turns_the_log_on(void **state)
{
	static const char *const loud[]  = {"error", "warn", "info", "debug", "trace", "Error", "TRACE"};
	static const char *const wrong[] = {"none", "ERRORS"};
	char                     text[4096];
	size_t                   i;

	(void)state;
	assert_int_equal(stderr_of_child(NULL, text, sizeof(text)), 0);
	assert_int_equal(stderr_of_child("", text, sizeof(text)), 0);
	for (i = 0; i < 7; i++) {
		assert_true(stderr_of_child(loud[i], text, sizeof(text)) > 0);
		assert_non_null(strstr(text, "/nonexistent/drpc.sock"));
		assert_int_equal(text[strlen(text) - 1], '\n');
	}
	for (i = 0; i < 2; i++) {
		assert_true(stderr_of_child(wrong[i], text, sizeof(text)) > 0);
		assert_non_null(strstr(text, "none of error, warn, info, debug, trace DRPC_LOG="));
		assert_non_null(strstr(text, wrong[i]));
		assert_null(strstr(text, "/nonexistent/drpc.sock"));
	}
}

/* --- timeouts ---------------------------------------------------------------------------- */

static void
set_timeout_refuses_nonsense(void **state)
{
	struct drpc naked = {.comm = NULL, .ref_count = 1};
	struct pair pair  = pair_new(NULL);

	(void)state;
	assert_int_equal(drpc_set_timeout(NULL, 10), -DER_INVAL);
	assert_int_equal(drpc_set_timeout(&naked, 10), -DER_INVAL);
	assert_int_equal(drpc_set_timeout(pair.ctx, -1), -DER_INVAL);
	assert_int_equal(drpc_set_timeout(pair.ctx, INT32_MIN), -DER_INVAL);
	assert_int_equal(drpc_set_timeout(pair.ctx, INT32_MAX), 0);
	assert_int_equal(drpc_set_timeout(pair.ctx, 0), 0);
	pair_free(&pair);
}

static void
a_call_times_out(void **state)
{
	struct pair     pair = pair_new(NULL);
	Drpc__Call      call = DRPC__CALL__INIT;
	Drpc__Response *resp = NULL;
	long            start;

	(void)state;
	assert_int_equal(drpc_set_timeout(pair.ctx, 50), 0);
	start = now_ms();
	assert_int_equal(drpc_call(pair.ctx, R_SYNC, &call, &resp), -DER_TIMEDOUT);
	assert_in_range(now_ms() - start, 40, 15000);
	assert_null(resp);
	assert_string_not_equal(drpc_last_error(), "");
	/* Its reply comes late, and is not mistaken for the next one's. */
	assert_true(peer_send_response(pair.peer, 1, DRPC__STATUS__FAILURE, NULL, 0));
	assert_true(peer_send_response(pair.peer, 2, DRPC__STATUS__SUCCESS, NULL, 0));
	assert_int_equal(drpc_call(pair.ctx, R_SYNC, &call, &resp), 0);
	assert_int_equal(resp->sequence, 2);
	drpc_response_free(resp);
	pair_free(&pair);
}

/* A server that has as many others to accept as it has room for. */
static void
connecting_times_out(void **state)
{
	struct timeval time;
	socklen_t      len = sizeof(time);
	struct dir     dir;
	struct drpc   *first;
	struct drpc   *ctx;
	int            listener;
	long           start;

	(void)state;
	dir_make(&dir);
	listener = peer_listen(dir.sock);
	assert_int_equal(listen(listener, 0), 0);
	assert_int_equal(drpc_set_connect_timeout(50), 0);
	assert_int_equal(drpc_set_connect_timeout(-1), -DER_INVAL);
	assert_int_equal(abi_connect(dir.sock, &first), 0);

	start = now_ms();
	errno = 0;
	assert_int_equal(abi_connect(dir.sock, &ctx), abi_failed(DER_TIMEDOUT));
	assert_in_range(now_ms() - start, 40, 15000);
	assert_int_equal(errno, ETIMEDOUT);
	assert_null(ctx);
	assert_non_null(strstr(drpc_last_error(), dir.sock));
	assert_non_null(strstr(drpc_last_error(), "timed out after 50 ms: the server runs but does not accept"));

	/* It was for connecting alone. */
	assert_int_equal(getsockopt(first->comm->fd, SOL_SOCKET, SO_SNDTIMEO, &time, &len), 0);
	assert_int_equal(time.tv_sec, 0);
	assert_int_equal(time.tv_usec, 0);
	close(accept(listener, NULL, NULL));
	assert_int_equal(drpc_set_connect_timeout(0), 0);
	assert_int_equal(abi_connect(dir.sock, &ctx), 0);
	assert_int_equal(drpc_close(ctx), 0);
	assert_int_equal(drpc_close(first), 0);
	close(listener);
	dir_remove(&dir);
}

static void
receiving_a_call_times_out(void **state)
{
	struct pair pair = pair_new(context_no_handler);
	Drpc__Call *call = NULL;

	(void)state;
	assert_int_equal(drpc_set_timeout(pair.ctx, 50), 0);
	assert_int_equal(drpc_recv_call(pair.ctx, &call), -DER_TIMEDOUT);
	assert_null(call);
	assert_true(peer_send_call(pair.peer, 1, 2, 3, NULL, 0));
	assert_int_equal(drpc_recv_call(pair.ctx, &call), 0);
	drpc_call_free(call);
	pair_free(&pair);
}

/* Nobody reads: the socket fills up and sending must end all the same. */
static void
sending_times_out(void **state)
{
	struct pair     pair = pair_new(context_no_handler);
	Drpc__Response  resp = DRPC__RESPONSE__INIT;
	int             rc   = 0;
	int             i;

	(void)state;
	resp.body.len  = 10000;
	resp.body.data = body_new(resp.body.len);
	assert_int_equal(drpc_set_timeout(pair.ctx, 50), 0);
	for (i = 0; i < 10000 && rc == 0; i++)
		rc = drpc_send_response(pair.ctx, &resp);
	assert_int_equal(rc, -DER_TIMEDOUT);
	/* Also for a session that does not block, which waits by itself. */
	assert_int_equal(fcntl(pair.ctx->comm->fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(drpc_send_response(pair.ctx, &resp), -DER_TIMEDOUT);
	free(resp.body.data);
	pair_free(&pair);
}

#if ABI_CHUNKED
/* The time runs out in the middle of a reply; its rest is passed over like any late reply. */
static void
half_a_reply_may_come_late(void **state)
{
	static const struct wire_header one  = {WIRE_CHUNK_MAX + 5, WIRE_CHUNK_MAX, 0, 2};
	static const struct wire_header two  = {WIRE_CHUNK_MAX + 5, 5, 1, 2};
	struct pair                     pair = pair_new(NULL);
	struct wire_response            late = {.sequence = 1, .len = WIRE_CHUNK_MAX + 5 - 6};
	Drpc__Call                      call = DRPC__CALL__INIT;
	Drpc__Response                 *resp = NULL;
	uint8_t                        *msg;
	size_t                          len;

	(void)state;
	late.body = calloc(1, late.len);
	msg       = wire_pack_response(&late, &len);
	assert_int_equal(len, WIRE_CHUNK_MAX + 5);
	assert_true(peer_send_chunk(pair.peer, &one, msg, WIRE_CHUNK_MAX));
	assert_int_equal(drpc_set_timeout(pair.ctx, 50), 0);
	assert_int_equal(drpc_call(pair.ctx, R_SYNC, &call, &resp), -DER_TIMEDOUT);
	assert_null(resp);
	assert_true(peer_send_chunk(pair.peer, &two, msg + WIRE_CHUNK_MAX, 5));
	assert_true(peer_send_response(pair.peer, 2, DRPC__STATUS__FAILURE, NULL, 0));
	assert_int_equal(drpc_call(pair.ctx, R_SYNC, &call, &resp), 0);
	assert_int_equal(resp->sequence, 2);
	assert_int_equal(resp->status, DRPC__STATUS__FAILURE);
	drpc_response_free(resp);
	/* What is half there when the context is closed goes with it. */
	assert_true(peer_send_chunk(pair.peer, &one, msg, WIRE_CHUNK_MAX));
	assert_int_equal(drpc_call(pair.ctx, R_SYNC, &call, &resp), -DER_TIMEDOUT);
	free(msg);
	free((void *)late.body);
	pair_free(&pair);
}

static void
half_a_message_sent_ends_the_connection(void **state)
{
	struct pair     pair = pair_new(NULL);
	Drpc__Call      call = DRPC__CALL__INIT;
	Drpc__Response *resp = NULL;

	(void)state;
	call.body.len  = 1 << 20;
	call.body.data = body_new(call.body.len);
	assert_int_equal(drpc_set_timeout(pair.ctx, 50), 0);
	assert_int_equal(drpc_call(pair.ctx, R_SYNC, &call, &resp), -DER_TIMEDOUT);
	free(call.body.data);
	call.body.len  = 0;
	call.body.data = NULL;
	assert_true(drpc_call(pair.ctx, R_SYNC, &call, &resp) < 0);
	assert_null(resp);
	pair_free(&pair);
}
#endif

/* --- limits ---------------------------------------------------------------------------------- */

static void
the_limit_is_for_both_directions(void **state)
{
	struct pair    pair = pair_new(context_no_handler);
	Drpc__Response resp = DRPC__RESPONSE__INIT;
	Drpc__Call    *call = NULL;
	uint8_t       *body = body_new(100);
	size_t         len;

	(void)state;
	assert_int_equal(drpc_set_max_message(50), 0);
	resp.body.data = body;
	resp.body.len  = 100;
	assert_int_equal(drpc_send_response(pair.ctx, &resp), -DER_OVERFLOW);
	assert_true(peer_send_call(pair.peer, 1, 2, 3, body, 100));
	assert_int_equal(drpc_recv_call(pair.ctx, &call), -DER_OVERFLOW);
	assert_null(call);
	pair_free(&pair);

	/* What is sent as one datagram has a limit of its own. */
	assert_int_equal(drpc_set_max_message(150000), 0);
	assert_int_equal(drpc_set_max_datagram(150000), 0);
	pair = pair_new(context_no_handler);
	free(body);
	body           = body_new(100000);
	resp.body.data = body;
	resp.body.len  = 100000;
	assert_int_equal(drpc_send_response(pair.ctx, &resp), 0);
	free(peer_recv_message(pair.peer, &len));
	assert_int_equal(len, 100004);
	assert_int_equal(drpc_set_max_message(0), 0);
	assert_int_equal(drpc_set_max_datagram(0), 0);
	if (!ABI_CHUNKED)
		assert_int_equal(drpc_send_response(pair.ctx, &resp), -DER_OVERFLOW);
	free(body);
	pair_free(&pair);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    unit(last_error_tells_what_to_do),
	    unit(each_thread_has_its_last_error),
	    unit(last_error_keeps_errno),
	    unit(long_paths_fit_the_last_error),
	    unit(strerror_knows_every_code),
	    unit(version_is_that_of_the_headers),
	    unit(statuses_have_names),
	    unit(other_statuses_have_none),
	    unit(every_module_and_method_has_a_name),
	    unit(other_numbers_have_no_name),
	    unit(the_descriptor_set_has_a_size),
	    unit(the_log_callback_gets_lines),
	    unit(the_log_callback_may_call_the_library),
	    unit(a_peer_cannot_flood_the_log),
	    unit(a_loop_tells_of_sessions_and_calls),
	    unit(drpc_log_turns_the_log_on),
	    unit(set_timeout_refuses_nonsense),
	    unit(a_call_times_out),
	    unit(connecting_times_out),
	    unit(receiving_a_call_times_out),
	    unit(sending_times_out),
#if ABI_CHUNKED
	    unit(half_a_reply_may_come_late),
	    unit(half_a_message_sent_ends_the_connection),
#endif
	    unit(the_limit_is_for_both_directions),
	};
	struct drpc *ctx;

	/* The child of stderr_of_child: something fails, nothing is printed by us. */
	if (argc == 2 && strcmp(argv[1], "fail") == 0)
		return abi_connect("/nonexistent/drpc.sock", &ctx) == abi_failed(DER_NONEXIST) ? 0 : 1;
	return cmocka_run_group_tests_name("library " ABI_NAME, tests, NULL, NULL);
}
