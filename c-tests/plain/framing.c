/*
 * How a client finds out what its server speaks: what is sent first, what each
 * answer makes of it, and that no call is executed twice or as another. The
 * servers are made of plain system calls.
 */
#include "abi.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <drpc/library.h>

#include "support/body.h"
#include "support/context.h"
#include "support/descriptors.h"
#include "support/dir.h"
#include "support/framing_server.h"
#include "support/patience.h"
#include "support/peer.h"
#include "support/rerun.h"

/* --- the first call ------------------------------------------------------------------------- */

static const struct first {
	int    flags;
	size_t len;
	bool   probed;
} firsts[] = {
    {R_SYNC, 0, false},
    {R_SYNC, 100, false},
    {R_SYNC, 8000, false},
    {0, 0, false},
    {0, 8000, false},
    /* The largest call that is tried, and the one after it. */
    {R_SYNC, 131036, false},
    {R_SYNC, 131037, true},
    {0, 131036, false},
    {0, 131037, true},
};

#define FIRSTS (sizeof(firsts) / sizeof(*firsts))

static void
an_old_server_gets_the_call_again(void **state)
{
	struct server server;
	struct drpc  *ctx;
	struct dir    dir;
	size_t        i;
	int           fd;

	(void)state;
	assert_int_equal(drpc_set_max_datagram(LARGE), 0);
	for (i = 0; i < 2 * FIRSTS; i++) {
		const struct first *first = &firsts[i / 2];

		dir_make(&dir);
		server_start(&server, peer_listen(dir.sock), i % 2 == 0 ? GO : C);
		ctx = client_of(dir.sock);
		fd  = ctx->comm->fd;
		call_works(ctx, first->flags, first->len);
		call_works(ctx, R_SYNC, 10);
		call_works(ctx, R_SYNC, 16000);
		assert_int_equal(ctx->comm->fd, fd);
		assert_int_equal(drpc_close(ctx), 0);
		server_stop(&server);
		assert_int_equal(server.connections, 2);
		assert_int_equal(server.rejected, 1);
		assert_int_equal(server.probes, 0);
		assert_int_equal(server.executed, 3);
		assert_int_equal(server.last, 3);
		dir_remove(&dir);
	}
	assert_int_equal(drpc_set_max_datagram(0), 0);
}

/* After the probe it gets the call over a new connection, whether it has closed the other one or not. */
static void
a_new_server_gets_the_call_once(void **state)
{
	static const enum manner manners[] = {NEW_C, NEW_GO, MARKING};
	struct server            server;
	struct drpc             *ctx;
	struct dir               dir;
	size_t                   i;
	int                      fd;

	(void)state;
	for (i = 0; i < 3 * FIRSTS; i++) {
		const struct first *first = &firsts[i / 3];

		dir_make(&dir);
		server_start(&server, peer_listen(dir.sock), manners[i % 3]);
		ctx = client_of(dir.sock);
		fd  = ctx->comm->fd;
		call_works(ctx, first->flags, first->len);
		call_works(ctx, R_SYNC, 10);
		call_works(ctx, R_SYNC, LARGE);
		assert_int_equal(ctx->comm->fd, fd);
		assert_int_equal(drpc_close(ctx), 0);
		server_stop(&server);
		assert_int_equal(server.connections, 1 + first->probed);
		assert_int_equal(server.probes, first->probed);
		assert_int_equal(server.executed, 3);
		dir_remove(&dir);
	}
}

/* Unless told otherwise, the 0.8 library speaks datagrams, and the other one finds out. */
static void
the_default_is_that_of_the_release(void **state)
{
	struct server server;
	struct drpc  *ctx;
	struct dir    dir;

	(void)state;
	dir_make(&dir);
	server_start(&server, peer_listen(dir.sock), GO);
	assert_int_equal(abi_connect(dir.sock, &ctx), 0);
	call_works(ctx, R_SYNC, 10);
	assert_int_equal(drpc_close(ctx), 0);
	server_stop(&server);
	assert_int_equal(server.rejected, ABI_CHUNKED);
	assert_int_equal(server.connections, 1 + ABI_CHUNKED);
	assert_int_equal(server.executed, 1);
	dir_remove(&dir);
}

/* What may have been executed is not sent again. */
static void
an_unclear_answer_is_an_error(void **state)
{
	static const struct {
		const char *answer;
		size_t      len;
		int         rc;
	} answers[] = {
	    {"\x08\x01", 2, -DER_PROTO},                  /* SUCCESS */
	    {"\x08\x01\x10\x03", 4, -DER_PROTO},          /* UNKNOWN_MODULE to this very call */
	    {"\x10\x03", 2, -DER_PROTO},                  /* UNKNOWN_MODULE to a call of sequence 0 */
	    {"\x10\x04", 2, -DER_PROTO},                  /* UNKNOWN_METHOD */
	    {NO_CALL "\x1a\x01!", 16, -DER_PROTO},        /* the rejection, and more */
	    {"\x08\xff\xff", 3, -DER_PROTO},              /* no message */
	    {"\x08\x01\x1a\x24 a body that is long enough for a header", 40, -DER_PROTO},
	    {"", 0, -DER_NOREPLY},                        /* SUCCESS to a call of sequence 0 */
	};
	struct drpc *ctx;
	struct dir   dir;
	char         record[64];
	size_t       i;
	int          listener;
	int          peer;

	(void)state;
	for (i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		dir_make(&dir);
		listener = peer_listen(dir.sock);
		ctx      = client_of(dir.sock);
		peer     = accept(listener, NULL, NULL);
		assert_true(peer_send_record(peer, answers[i].answer, answers[i].len));
		call_fails(ctx, 10, answers[i].rc);
		assert_non_null(strstr(drpc_last_error(), "DRPC_FRAMING=datagram"));
		assert_int_equal(peer_recv_record(peer, record, sizeof(record)), TRIAL_OF_10);
		assert_int_equal(drpc_close(ctx), 0);
		assert_true(peer_is_closed(peer));
		assert_true(peer_is_quiet(listener));
		close(peer);
		close(listener);
		dir_remove(&dir);
	}
}

/* The probe has one answer that means chunks. After any other nothing is known, and the call has not been sent. */
static void
another_answer_to_the_probe_is_an_error(void **state)
{
	static const struct {
		const char *answer;
		size_t      len;
	} answers[] = {
	    {"\x08\x01", 2},              /* SUCCESS */
	    {"\x08\x01\x10\x03", 4},      /* UNKNOWN_MODULE */
	    {NO_CALL "\x1a\x01!", 16},    /* with a body */
	    {NO_CALL MARK MARK, 19},      /* marked twice */
	    {NO_CALL "\xf0\x7f\x01", 16}, /* with another field */
	};
	struct drpc *ctx;
	struct dir   dir;
	char         record[64];
	size_t       i;
	int          listener;
	int          peer;

	(void)state;
	for (i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		dir_make(&dir);
		listener = peer_listen(dir.sock);
		ctx      = client_of(dir.sock);
		peer     = accept(listener, NULL, NULL);
		assert_true(say(peer, (const uint8_t *)answers[i].answer, answers[i].len, true));
		call_fails(ctx, 140000, -DER_PROTO);
		assert_non_null(strstr(drpc_last_error(), "DRPC_FRAMING=datagram"));
		assert_int_equal(peer_recv_record(peer, record, sizeof(record)), 31);
		assert_memory_equal(record + WIRE_HEADER, PROBE_BYTES, 7);
		assert_true(peer_is_closed(peer));
		assert_int_equal(drpc_close(ctx), 0);
		assert_true(peer_is_quiet(listener));
		close(peer);
		close(listener);
		dir_remove(&dir);
	}
}

/* What is sent first is the call with a longer sequence, in one chunk; the next one is as short as can be. */
static void
only_the_first_call_is_longer(void **state)
{
	static const struct {
		size_t      len;
		const char *first;
		size_t      first_len;
	} calls[] = {
	    {0, "\x08\x02\x10\xce\x01\x18\x01", 7},
	    {1, "\x08\x02\x10\xce\x01\x18\x81\x80\x00\x22\x01", 12},
	    {2, "\x08\x02\x10\xce\x01\x18\x81\x00\x22\x02", 12},
	    {7, "\x08\x02\x10\xce\x01\x18\x81\x80\x80\x80\x00\x22\x07", 20},
	};
	struct wire_header header;
	struct drpc       *ctx;
	struct dir         dir;
	Drpc__Response    *resp;
	uint8_t            record[64];
	size_t             i;
	int                listener;
	int                peer;

	(void)state;
	for (i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		size_t head = calls[i].first_len - calls[i].len;

		dir_make(&dir);
		listener = peer_listen(dir.sock);
		ctx      = client_of(dir.sock);
		peer     = accept(listener, NULL, NULL);
		assert_true(say(peer, (const uint8_t *)"\x08\x01", 2, true));
		assert_int_equal(try_call(ctx, R_SYNC, calls[i].len, &resp), 0);
		drpc_response_free(resp);
		assert_int_equal(peer_recv_record(peer, record, sizeof(record)), WIRE_HEADER + calls[i].first_len);
		wire_get_header(record, &header);
		assert_int_equal(header.total, calls[i].first_len);
		assert_memory_equal(record + WIRE_HEADER, calls[i].first, head);
		assert_true(body_is(record + WIRE_HEADER + head, calls[i].len));
		assert_true(say(peer, (const uint8_t *)"\x08\x02", 2, true));
		assert_int_equal(try_call(ctx, R_SYNC, calls[i].len, &resp), 0);
		drpc_response_free(resp);
		assert_int_equal(peer_recv_record(peer, record, sizeof(record)),
				 WIRE_HEADER + 7 + (calls[i].len == 0 ? 0 : 2) + calls[i].len);
		assert_memory_equal(record + WIRE_HEADER, "\x08\x02\x10\xce\x01\x18\x02", 7);
		assert_int_equal(drpc_close(ctx), 0);
		close(peer);
		close(listener);
		dir_remove(&dir);
	}
}

/* As for a program that has given up its rights since it connected. */
static void
a_call_after_the_probe_goes_out_on_the_old_connection(void **state)
{
	struct server server;
	struct drpc  *ctx;
	struct dir    dir;

	(void)state;
	dir_make(&dir);
	server_start(&server, peer_listen(dir.sock), NEW_GO);
	ctx = client_of(dir.sock);
	assert_int_equal(unlink(dir.sock), 0);
	call_works(ctx, R_SYNC, LARGE);
	call_works(ctx, R_SYNC, 10);
	assert_int_equal(drpc_close(ctx), 0);
	server_stop(&server);
	assert_int_equal(server.connections, 1);
	assert_int_equal(server.probes, 1);
	assert_int_equal(server.executed, 2);
	dir_remove(&dir);
}

static void
a_call_that_was_executed_is_not_sent_again(void **state)
{
	struct server server;
	struct drpc  *ctx;
	struct dir    dir;

	(void)state;
	dir_make(&dir);
	server_start(&server, peer_listen(dir.sock), CLOSING);
	ctx = client_of(dir.sock);
	call_fails(ctx, 10, -DER_NOREPLY);
	assert_non_null(strstr(drpc_last_error(), "DRPC_FRAMING=datagram"));
	assert_int_equal(drpc_close(ctx), 0);
	ctx = client_of(dir.sock);
	call_fails(ctx, 140000, -DER_NOREPLY);
	assert_non_null(strstr(drpc_last_error(), "DRPC_FRAMING=datagram"));
	assert_int_equal(drpc_close(ctx), 0);
	/* A server that takes a chunk for a call; none is known. */
	__atomic_store_n(&server.manner, CREDULOUS, __ATOMIC_RELEASE);
	ctx = client_of(dir.sock);
	call_fails(ctx, 10, -DER_PROTO);
	assert_int_equal(drpc_close(ctx), 0);
	server_stop(&server);
	assert_int_equal(server.connections, 3);
	assert_int_equal(server.executed, 1);
	dir_remove(&dir);
}

/* Refused before anybody hears of it, or once it is known that it cannot go in one datagram. */
static void
too_large_a_first_call(void **state)
{
	struct server   server;
	struct drpc    *ctx;
	struct dir      dir;
	Drpc__Response *resp;

	(void)state;
	dir_make(&dir);
	server_start(&server, peer_listen(dir.sock), GO);
	ctx = client_of(dir.sock);
	assert_int_equal(drpc_set_max_message(1000), 0);
	call_fails(ctx, 1000, -DER_OVERFLOW);
	assert_int_equal(try_call(ctx, 0, 1000, &resp), -DER_OVERFLOW);
	assert_int_equal(drpc_set_max_message(0), 0);
	call_fails(ctx, LARGE, -DER_OVERFLOW);
	assert_non_null(strstr(drpc_last_error(), "drpc_set_max_datagram"));
	call_works(ctx, R_SYNC, 10);
	assert_int_equal(drpc_close(ctx), 0);
	server_stop(&server);
	assert_int_equal(server.rejected, 1);
	assert_int_equal(server.executed, 1);
	dir_remove(&dir);
}

/* Only so many calls are kept until the server has answered. */
static void *
call_many(void *arg)
{
	Drpc__Response *resp;
	int             i;
	int             rc;

	for (i = 0; i < 20; i++) {
		while ((rc = try_call(arg, 0, 10, &resp)) == -DER_AGAIN)
			usleep(100);
		if (rc != 0) {
			print_error("%d: %s\n", rc, drpc_last_error());
			return arg;
		}
		drpc_response_free(resp);
	}
	return NULL;
}

/* Only one of them finds out; the others wait for that. */
static void
threads_begin_together(void **state)
{
	static const enum manner manners[] = {GO, C, NEW_C};
	struct server            server;
	struct drpc             *ctx;
	struct dir               dir;
	pthread_t                threads[4];
	void                    *failed;
	size_t                   i;
	size_t                   j;

	(void)state;
	for (i = 0; i < 3; i++) {
		dir_make(&dir);
		server_start(&server, peer_listen(dir.sock), manners[i]);
		ctx = client_of(dir.sock);
		for (j = 0; j < 4; j++)
			assert_int_equal(pthread_create(&threads[j], NULL, call_many, ctx), 0);
		for (j = 0; j < 4; j++) {
			assert_int_equal(pthread_join(threads[j], &failed), 0);
			assert_null(failed);
		}
		call_works(ctx, R_SYNC, 10);
		assert_int_equal(drpc_close(ctx), 0);
		server_stop(&server);
		assert_int_equal(server.rejected + server.probes, manners[i] != NEW_C);
		assert_int_equal(server.executed, 81);
		dir_remove(&dir);
	}
}

/* --- what is chosen --------------------------------------------------------------------------------- */

static void
set_framing_refuses_what_is_none(void **state)
{
	struct drpc naked = {.comm = NULL, .ref_count = 1};
	int         fds[2];
	struct drpc *ctx;

	(void)state;
	peer_pair(fds);
	ctx = context_by_hand(fds[0], NULL);
	assert_int_equal(drpc_set_framing(NULL, DRPC_FRAMING_AUTO), -DER_INVAL);
	assert_int_equal(drpc_set_framing(&naked, DRPC_FRAMING_AUTO), -DER_INVAL);
	assert_int_equal(drpc_set_framing(ctx, DRPC_FRAMING_CHUNKED + 1), -DER_INVAL);
	assert_int_equal(drpc_set_framing(ctx, -1), -DER_INVAL);
	assert_string_not_equal(drpc_last_error(), "");
	assert_int_equal(drpc_close(ctx), 0);
	close(fds[1]);
}

/* What a client sends first: its call bare, in a chunk, or as a padded call. */
enum opening { BARE, CHUNK, TRIAL };

/* What a client sends that has just been connected, and has been told so much. */
static enum opening
opening_when_set(int framing)
{
	struct drpc    *ctx;
	Drpc__Response *resp;
	struct dir      dir;
	char            record[64];
	ssize_t         len;
	int             listener;
	int             peer;

	dir_make(&dir);
	listener = peer_listen(dir.sock);
	assert_int_equal(abi_connect(dir.sock, &ctx), 0);
	peer = accept(listener, NULL, NULL);
	if (framing >= 0)
		assert_int_equal(drpc_set_framing(ctx, framing), 0);
	assert_int_equal(fcntl(ctx->comm->fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(try_call(ctx, R_SYNC, 10, &resp), -DER_AGAIN);
	len = peer_recv_record(peer, record, sizeof(record));
	assert_int_equal(drpc_close(ctx), 0);
	close(peer);
	close(listener);
	dir_remove(&dir);
	if (len == 19)
		return BARE;
	assert_true(len == WIRE_HEADER + 19 || len == TRIAL_OF_10);
	return len == TRIAL_OF_10 ? TRIAL : CHUNK;
}

static enum opening
opening_by_default(void)
{
	return opening_when_set(-1);
}

static void
log_line(int level, const char *line, void *arg)
{
	assert_int_equal(level, DRPC_LOG_WARN);
	assert_non_null(strstr(line, "DRPC_FRAMING=Chunked"));
	++*(int *)arg;
}

static void
the_program_or_its_user_may_choose(void **state)
{
	(void)state;
	rerun(NULL);
	rerun("datagram");
	rerun("chunked");
	rerun("auto");
	rerun("Chunked");
}

/* Run with each value. The variable is read once a process. */
static void
the_program_comes_before_its_user(void **state)
{
	const char        *chosen = getenv("DRPC_FRAMING");
	const bool         wrong  = chosen != NULL && strcmp(chosen, "Chunked") == 0;
	const enum opening own    = chosen == NULL || wrong ? (ABI_CHUNKED ? TRIAL : BARE)
	                            : strcmp(chosen, "datagram") == 0 ? BARE
	                            : strcmp(chosen, "chunked") == 0  ? CHUNK
	                                                              : TRIAL;
	int                lines  = 0;

	(void)state;
	drpc_set_log(log_line, &lines);
	assert_int_equal(opening_by_default(), own);
	assert_int_equal(opening_when_set(DRPC_FRAMING_DATAGRAM), BARE);
	assert_int_equal(opening_when_set(DRPC_FRAMING_CHUNKED), CHUNK);
	assert_int_equal(opening_when_set(DRPC_FRAMING_AUTO), TRIAL);
	assert_int_equal(opening_by_default(), own);
	drpc_set_log(NULL, NULL);
	assert_int_equal(lines, wrong);
	assert_int_equal(setenv("DRPC_FRAMING", own == BARE ? "chunked" : "datagram", 1), 0);
	assert_int_equal(opening_by_default(), own);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest again[] = {unit(the_program_comes_before_its_user)};
	const struct CMUnitTest tests[] = {
	    unit(an_old_server_gets_the_call_again),
	    unit(a_new_server_gets_the_call_once),
	    unit(only_the_first_call_is_longer),
	    unit(the_default_is_that_of_the_release),
	    unit(an_unclear_answer_is_an_error),
	    unit(another_answer_to_the_probe_is_an_error),
	    unit(a_call_after_the_probe_goes_out_on_the_old_connection),
	    unit(a_call_that_was_executed_is_not_sent_again),
	    unit(too_large_a_first_call),
	    unit(threads_begin_together),
	    unit(set_framing_refuses_what_is_none),
	    unit(the_program_or_its_user_may_choose),
	};

	(void)argv;
	if (argc > 1)
		return cmocka_run_group_tests_name("framing again", again, NULL, NULL);
	return cmocka_run_group_tests_name("framing " ABI_NAME, tests, NULL, NULL);
}
