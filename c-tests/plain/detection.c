/* Servers whose clients speak as those of any release: each is answered as it speaks. */
#include "abi.h"

#include <stdlib.h>
#include <string.h>

#include <daos/drpc_progress.h>
#include <drpc/library.h>
#include <drpc/server.h>

#include "support/body.h"
#include "support/context.h"
#include "support/descriptors.h"
#include "support/dir.h"
#include "support/exchange.h"
#include "support/managed.h"
#include "support/patience.h"
#include "support/peer.h"
#include "support/rerun.h"

/* Of an encoded response: sequence 1 with its key, status and its key, key and length of the body. */
#define AROUND 8

/* What the line's peers receive in one datagram. */
#define DATAGRAM_MAX ((size_t)UNIXCOMM_MAXMSGSIZE)

/* A call of this size and a response of as many bytes, by drpc_recv_call and drpc_send_response; what the latter says. */
static int
serve_one(struct pair *pair, int64_t sequence, size_t len)
{
	Drpc__Response resp = DRPC__RESPONSE__INIT;
	Drpc__Call    *call = NULL;
	int            rc;

	assert_int_equal(drpc_recv_call(pair->ctx, &call), 0);
	assert_int_equal(call->sequence, sequence);
	assert_int_equal(call->body.len, len);
	assert_true(body_is(call->body.data, len));
	resp.sequence = sequence;
	resp.body     = call->body;
	rc            = drpc_send_response(pair->ctx, &resp);
	drpc_call_free(call);
	return rc;
}

static void
session_answers_as_its_client_speaks(void **state)
{
	static const size_t sizes[] = {0, 1, 231, 232, 256, 5650, 16000};
	struct pair         pair;
	size_t              i;
	int                 chunked;

	(void)state;
	for (chunked = 0; chunked < 2; chunked++) {
		peer_chunked = chunked;
		pair         = pair_new(context_no_handler);
		for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
			exchange_send(pair.peer, ECHO, 0, i + 1, sizes[i]);
			assert_int_equal(serve_one(&pair, i + 1, sizes[i]), 0);
			exchange_expect(pair.peer, i + 1, DRPC__STATUS__SUCCESS, sizes[i]);
		}
		pair_free(&pair);
	}
	peer_chunked = ABI_CHUNKED;
}

/* A call of nothing is no bytes at all, which is not the end. */
static void
empty_datagram_is_a_call(void **state)
{
	struct pair pair = pair_new(context_no_handler);

	(void)state;
	peer_chunked = false;
	exchange_send(pair.peer, 0, 0, 0, 0);
	assert_int_equal(serve_one(&pair, 0, 0), 0);
	exchange_expect(pair.peer, 0, DRPC__STATUS__SUCCESS, 0);
	pair_free(&pair);
	peer_chunked = ABI_CHUNKED;
}

/* Up to 2.6 the end of the connection is a success, so that something has to come before it. */
static void
session_that_ends_refuses_what_it_has_not_answered(void **state)
{
	struct pair pair;
	Drpc__Call *call;
	int         calls;
	int         chunked;
	int         i;

	(void)state;
	for (chunked = 0; chunked < 2; chunked++) {
		peer_chunked = chunked;
		for (calls = 1; calls < 4; calls++) {
			pair = pair_new(context_no_handler);
			exchange_send(pair.peer, ECHO, 0, 1, 10);
			assert_int_equal(serve_one(&pair, 1, 10), 0);
			exchange_expect(pair.peer, 1, DRPC__STATUS__SUCCESS, 10);
			for (i = 0; i < calls; i++) {
				exchange_send(pair.peer, ECHO, 0, 2 + i, 10);
				assert_int_equal(drpc_recv_call(pair.ctx, &call), 0);
				drpc_call_free(call);
			}
			assert_int_equal(drpc_close(pair.ctx), 0);
			for (i = 0; i < calls && !chunked; i++)
				exchange_expect(pair.peer, -1, DRPC__STATUS__FAILURE, 0);
			assert_true(peer_is_closed(pair.peer));
			close(pair.peer);
		}
	}
	peer_chunked = ABI_CHUNKED;
}

/* Nor does it help that the program has tried, or could not read it. */
static void
session_that_ends_refuses_what_went_wrong(void **state)
{
	struct pair    pair = pair_new(context_no_handler);
	Drpc__Response resp = DRPC__RESPONSE__INIT;
	Drpc__Call    *call = NULL;

	(void)state;
	peer_chunked = false;
	exchange_send(pair.peer, ECHO, 0, 1, 10);
	assert_int_equal(drpc_recv_call(pair.ctx, &call), 0);
	drpc_call_free(call);
	resp.body.len = 10;
	assert_int_equal(drpc_send_response(pair.ctx, &resp), -DER_INVAL);
	assert_int_equal(drpc_set_max_message(100), 0);
	exchange_send(pair.peer, ECHO, 0, 2, 200);
	assert_int_equal(drpc_recv_call(pair.ctx, &call), -DER_OVERFLOW);
	assert_int_equal(drpc_set_max_message(0), 0);
	assert_int_equal(drpc_close(pair.ctx), 0);
	exchange_expect(pair.peer, -1, DRPC__STATUS__FAILURE, 0);
	exchange_expect(pair.peer, -1, DRPC__STATUS__FAILURE, 0);
	assert_true(peer_is_closed(pair.peer));
	close(pair.peer);
	/* What is neither a call nor a chunk may have been one. */
	pair = pair_new(context_no_handler);
	assert_true(peer_send_record(pair.peer, "?", 1));
	assert_true(drpc_recv_call(pair.ctx, &call) < 0);
	assert_int_equal(drpc_close(pair.ctx), 0);
	exchange_expect(pair.peer, -1, DRPC__STATUS__FAILURE, 0);
	assert_true(peer_is_closed(pair.peer));
	close(pair.peer);
	peer_chunked = ABI_CHUNKED;
}

/* However many calls are answered at the end only. */
static void
session_that_has_answered_refuses_nothing(void **state)
{
	struct pair    pair = pair_new(context_no_handler);
	Drpc__Response resp = DRPC__RESPONSE__INIT;
	Drpc__Call    *call = NULL;
	int            i;

	(void)state;
	peer_chunked = false;
	for (i = 1; i <= 20; i++) {
		exchange_send(pair.peer, ECHO, 0, i, 0);
		assert_int_equal(drpc_recv_call(pair.ctx, &call), 0);
		drpc_call_free(call);
	}
	for (i = 1; i <= 20; i++) {
		resp.sequence = i;
		assert_int_equal(drpc_send_response(pair.ctx, &resp), 0);
		exchange_expect(pair.peer, i, DRPC__STATUS__SUCCESS, 0);
	}
	assert_int_equal(drpc_close(pair.ctx), 0);
	assert_true(peer_is_closed(pair.peer));
	close(pair.peer);
	peer_chunked = ABI_CHUNKED;
}

static void
end_is_no_call(void **state)
{
	struct pair pair = pair_new(context_no_handler);
	Drpc__Call *call = NULL;

	(void)state;
	close(pair.peer);
	assert_int_equal(drpc_recv_call(pair.ctx, &call), -DER_TRUNC);
	assert_null(call);
	assert_int_equal(drpc_close(pair.ctx), 0);
}

/* The largest datagram that the line's releases receive, and one byte more; 0 stands for what holds unless set. */
static void
datagram_limit_is(size_t limit, size_t set)
{
	struct pair    pair = pair_new(context_no_handler);
	Drpc__Response resp = DRPC__RESPONSE__INIT;
	Drpc__Call    *call = NULL;
	size_t         body = limit - (limit > 16384 ? AROUND - 2 : AROUND - 3);

	assert_int_equal(drpc_set_max_datagram(set), 0);
	peer_chunked = false;
	exchange_send(pair.peer, ECHO, 0, 1, 1);
	assert_int_equal(drpc_recv_call(pair.ctx, &call), 0);
	drpc_call_free(call);
	resp.sequence  = 1;
	resp.body.data = body_new(body + 1);
	resp.body.len  = body + 1;
	assert_int_equal(drpc_send_response(pair.ctx, &resp), -DER_OVERFLOW);
	exchange_expect(pair.peer, 1, DRPC__STATUS__FAILED_MARSHAL, 0);
	resp.body.len = body;
	assert_int_equal(drpc_send_response(pair.ctx, &resp), 0);
	exchange_expect(pair.peer, 1, DRPC__STATUS__SUCCESS, body);
	free(resp.body.data);
	pair_free(&pair);
	assert_int_equal(drpc_set_max_datagram(0), 0);
	peer_chunked = ABI_CHUNKED;
}

static void
datagram_limit_follows_from_the_line(void **state)
{
	(void)state;
	datagram_limit_is(DATAGRAM_MAX, 0);
	datagram_limit_is(20000, 20000);
}

static void
session_takes_over_what_its_listener_was_told(void **state)
{
	static const int framings[] = {DRPC_FRAMING_DATAGRAM, DRPC_FRAMING_CHUNKED};
	Drpc__Call      *call;
	struct drpc     *listener;
	struct pair      pair;
	struct dir       dir;
	int              spoken;
	int              i;

	(void)state;
	for (i = 0; i < 2; i++) {
		dir_make(&dir);
		listener = abi_listen(dir.sock, context_no_handler);
		assert_non_null(listener);
		assert_int_equal(drpc_set_framing(listener, framings[i]), 0);
		for (spoken = 0; spoken < 2; spoken++) {
			peer_chunked = spoken;
			pair.peer    = peer_connect(dir.sock);
			assert_int_equal(abi_accept(listener, &pair.ctx), 0);
			exchange_send(pair.peer, ECHO, 0, 1, 10);
			if (spoken == i) {
				assert_int_equal(serve_one(&pair, 1, 10), 0);
				exchange_expect(pair.peer, 1, DRPC__STATUS__SUCCESS, 10);
			} else {
				call = NULL;
				assert_int_equal(drpc_recv_call(pair.ctx, &call), i == 1 ? -DER_TRUNC : -DER_PROTO);
				assert_null(call);
			}
			pair_free(&pair);
		}
		/* It can be taken back. */
		assert_int_equal(drpc_set_framing(listener, DRPC_FRAMING_AUTO), 0);
		peer_chunked = !i;
		pair.peer    = peer_connect(dir.sock);
		assert_int_equal(abi_accept(listener, &pair.ctx), 0);
		exchange_send(pair.peer, ECHO, 0, 1, 10);
		assert_int_equal(serve_one(&pair, 1, 10), 0);
		exchange_expect(pair.peer, 1, DRPC__STATUS__SUCCESS, 10);
		pair_free(&pair);
		assert_int_equal(drpc_close(listener), 0);
		dir_remove(&dir);
	}
	peer_chunked = ABI_CHUNKED;
}

static void
set_framing_refuses_what_it_does_not_know(void **state)
{
	struct pair pair = pair_new(context_no_handler);

	(void)state;
	assert_int_equal(drpc_set_framing(NULL, DRPC_FRAMING_AUTO), -DER_INVAL);
	assert_int_equal(drpc_set_framing(pair.ctx, -1), -DER_INVAL);
	assert_int_equal(drpc_set_framing(pair.ctx, DRPC_FRAMING_CHUNKED + 1), -DER_INVAL);
	assert_string_not_equal(drpc_last_error(), "");
	pair_free(&pair);
}

static const struct {
	const char *framing;
	int         garbage;
	bool        chunked;
} choices[] = {
    {"datagram", -DER_PROTO, false},
    {"chunked", -DER_TRUNC, true},
    {"auto", ABI_CHUNKED ? -DER_TRUNC : -DER_PROTO, ABI_CHUNKED},
};

/* What does not tell is taken for what the user has chosen: a program written for DAOS 2.6 sends and expects datagrams. */
static void
what_cannot_be_told_is_what_the_user_has_chosen(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(choices) / sizeof(*choices); i++)
		rerun(choices[i].framing);
}

/* Run with each value. */
static void
what_cannot_be_told_is_the_framing_of_the_variable(void **state)
{
	const char    *framing = getenv("DRPC_FRAMING");
	Drpc__Response resp    = DRPC__RESPONSE__INIT;
	struct pair    pair    = pair_new(context_no_handler);
	Drpc__Call    *call    = NULL;
	size_t         i       = 0;

	(void)state;
	assert_non_null(framing);
	while (strcmp(choices[i].framing, framing) != 0)
		i++;
	resp.sequence = 7;
	assert_int_equal(drpc_send_response(pair.ctx, &resp), 0);
	peer_chunked = choices[i].chunked;
	exchange_expect(pair.peer, 7, DRPC__STATUS__SUCCESS, 0);
	assert_true(peer_send_record(pair.peer, "\x2a\xff", 2));
	assert_int_equal(drpc_recv_call(pair.ctx, &call), choices[i].garbage);
	pair_free(&pair);
}

/* --- the probe -------------------------------------------------------------------- */

/* What a client asks with which framing is read, and how it is told that this is no call: bare, or in a chunk. */
static const char probe[31] = "\7\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\7\7\7\7\7\7\7";
static const char no_call[37] =
    "\15\0\0\0\0\0\0\0\15\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\10\377\377\377\377\377\377\377\377\377\1\20\5";

static void
ask(int peer)
{
	assert_true(peer_send_record(peer, probe, sizeof(probe)));
}

static void
expect_answer(int peer, int framing)
{
	bool    bare = framing == DRPC_FRAMING_DATAGRAM;
	uint8_t record[64];

	assert_int_equal(peer_recv_record(peer, record, sizeof(record)), bare ? 13 : 37);
	assert_memory_equal(record, bare ? no_call + WIRE_HEADER : no_call, bare ? 13 : 37);
}

static void
only_debug(int level, const char *line, void *arg)
{
	(void)arg;
	/* What the tests before have provoked may be counted when a second is over. */
	if (strstr(line, "lines about peers were left out") == NULL)
		assert_int_equal(level, DRPC_LOG_DEBUG);
}

static const int framings_read[] = {DRPC_FRAMING_AUTO, DRPC_FRAMING_DATAGRAM, DRPC_FRAMING_CHUNKED};

/* The function answers, and says what the program is to do: the client is about to close the connection. */
static void
session_answers_the_probe(void **state)
{
	struct pair pair;
	Drpc__Call *call = NULL;
	size_t      i;

	(void)state;
	for (i = 0; i < 3; i++) {
		pair = pair_new(context_no_handler);
		if (framings_read[i] != DRPC_FRAMING_AUTO)
			assert_int_equal(drpc_set_framing(pair.ctx, framings_read[i]), 0);
		ask(pair.peer);
		drpc_set_log(only_debug, NULL);
		assert_int_equal(drpc_recv_call(pair.ctx, &call), -DER_TRUNC);
		drpc_set_log(NULL, NULL);
		assert_null(call);
		assert_non_null(strstr(drpc_last_error(), "which wire format is read"));
		expect_answer(pair.peer, framings_read[i]);
		assert_true(peer_is_quiet(pair.peer));
		/* The connection is the program's: a client without another one goes on with it. */
		peer_chunked = framings_read[i] != DRPC_FRAMING_DATAGRAM;
		exchange_send(pair.peer, ECHO, 0, 1, 10);
		assert_int_equal(serve_one(&pair, 1, 10), 0);
		exchange_expect(pair.peer, 1, DRPC__STATUS__SUCCESS, 10);
		/* Nothing is owed for it at the end. */
		assert_int_equal(drpc_close(pair.ctx), 0);
		assert_true(peer_is_closed(pair.peer));
		close(pair.peer);
	}
	peer_chunked = ABI_CHUNKED;
}

/* A client that takes no answer does not hold the program up. */
static void
session_does_not_wait_to_answer_the_probe(void **state)
{
	struct pair pair = pair_new(context_no_handler);
	Drpc__Call *call = NULL;
	int         i;

	(void)state;
	for (i = 0; i < 2000; i++) {
		ask(pair.peer);
		assert_int_equal(drpc_recv_call(pair.ctx, &call), -DER_TRUNC);
	}
	pair_free(&pair);
}

/* --- the progress loop ------------------------------------------------------------ */

static void
loop_echo(Drpc__Call *call, Drpc__Response *resp)
{
	resp->body.len  = call->method == 1 ? DATAGRAM_MAX : call->body.len;
	resp->body.data = body_new(resp->body.len);
}

struct loop {
	struct dir                    dir;
	struct drpc_progress_context *progress;
};

static void
loop_make(struct loop *loop)
{
	struct drpc *listener;

	dir_make(&loop->dir);
	listener = abi_listen(loop->dir.sock, loop_echo);
	assert_non_null(listener);
	loop->progress = drpc_progress_context_create(listener);
	assert_non_null(loop->progress);
}

static int
loop_join(struct loop *loop)
{
	int peer = peer_connect(loop->dir.sock);

	assert_int_equal(drpc_progress(loop->progress, PATIENCE_MS), 0);
	return peer;
}

static void
loop_end(struct loop *loop)
{
	drpc_progress_context_close(loop->progress);
	dir_remove(&loop->dir);
}

static void
loop_answers_each_client_as_it_speaks(void **state)
{
	struct loop loop;
	int         peers[2];
	int64_t     sequence;

	(void)state;
	loop_make(&loop);
	peers[0] = loop_join(&loop);
	peers[1] = loop_join(&loop);
	for (sequence = 1; sequence < 4; sequence++) {
		for (peer_chunked = 0;; peer_chunked = 1) {
			exchange_send(peers[peer_chunked], ECHO, 0, sequence, 5650);
			assert_int_equal(drpc_progress(loop.progress, PATIENCE_MS), 0);
			exchange_expect(peers[peer_chunked], sequence, DRPC__STATUS__SUCCESS, 5650);
			if (peer_chunked)
				break;
		}
	}
	/* A response that the client could not receive is replaced. */
	peer_chunked = false;
	exchange_send(peers[0], ECHO, 1, 4, 0);
	assert_int_equal(drpc_progress(loop.progress, PATIENCE_MS), 0);
	exchange_expect(peers[0], 4, DRPC__STATUS__FAILED_MARSHAL, 0);
	peer_chunked = true;
	exchange_send(peers[1], ECHO, 1, 4, 0);
	assert_int_equal(drpc_progress(loop.progress, PATIENCE_MS), 0);
	exchange_expect(peers[1], 4, DRPC__STATUS__SUCCESS, DATAGRAM_MAX);
	close(peers[0]);
	close(peers[1]);
	loop_end(&loop);
	peer_chunked = ABI_CHUNKED;
}

static void
never(Drpc__Call *call, Drpc__Response *resp)
{
	(void)call;
	(void)resp;
	fail_msg("the probe has reached a handler");
}

/* A handler that looks at no module is none the wiser. */
static void
loop_answers_the_probe(void **state)
{
	struct drpc_progress_context *progress;
	struct drpc                  *listener;
	struct dir                    dir;
	size_t                        i;
	int                           peer;

	(void)state;
	for (i = 0; i < 3; i++) {
		dir_make(&dir);
		listener = abi_listen(dir.sock, never);
		if (framings_read[i] != DRPC_FRAMING_AUTO)
			assert_int_equal(drpc_set_framing(listener, framings_read[i]), 0);
		progress = drpc_progress_context_create(listener);
		peer     = peer_connect(dir.sock);
		assert_int_equal(drpc_progress(progress, PATIENCE_MS), 0);
		ask(peer);
		drpc_set_log(only_debug, NULL);
		assert_int_equal(drpc_progress(progress, PATIENCE_MS), 0);
		drpc_set_log(NULL, NULL);
		expect_answer(peer, framings_read[i]);
		assert_true(peer_is_closed(peer));
		close(peer);
		drpc_progress_context_close(progress);
		dir_remove(&dir);
	}
}

/* To a client up to 2.6 the end of the connection is a success. */
static void
loop_answers_what_may_have_been_a_datagram(void **state)
{
	static const char *const nonsense[] = {"?", "no call at all, and no chunk either"};
	struct loop              loop;
	size_t                   i;
	int                      peer;

	(void)state;
	loop_make(&loop);
	peer_chunked = false;
	for (i = 0; i < 2; i++) {
		peer = loop_join(&loop);
		assert_true(peer_send_record(peer, nonsense[i], strlen(nonsense[i])));
		assert_int_equal(drpc_progress(loop.progress, PATIENCE_MS), 0);
		exchange_any(peer, DRPC__STATUS__FAILED_UNMARSHAL_CALL);
		assert_true(peer_is_closed(peer));
		close(peer);
	}
	/* A call that is too large to be taken, too. */
	assert_int_equal(drpc_set_max_message(1000), 0);
	peer = loop_join(&loop);
	exchange_send(peer, ECHO, 0, 3, 2000);
	assert_int_equal(drpc_progress(loop.progress, PATIENCE_MS), 0);
	exchange_expect(peer, 3, DRPC__STATUS__FAILURE, 0);
	assert_true(peer_is_closed(peer));
	close(peer);
	assert_int_equal(drpc_set_max_message(0), 0);
	loop_end(&loop);
	peer_chunked = ABI_CHUNKED;
}

/* --- the managed server ----------------------------------------------------------- */

static void
managed_answers_each_client_as_it_speaks(void **state)
{
	struct managed managed;
	int            peers[2];
	size_t         body = DATAGRAM_MAX - 10;
	int64_t        sequence;
	int            chunked;

	(void)state;
	managed_serve_echo(&managed);
	for (chunked = 0; chunked < 2; chunked++)
		peers[chunked] = peer_connect(managed.dir.sock);
	for (sequence = 1; sequence < 4; sequence++) {
		for (chunked = 0; chunked < 2; chunked++) {
			peer_chunked = chunked;
			exchange_send(peers[chunked], ECHO, 0, sequence, body);
			exchange_expect(peers[chunked], sequence, DRPC__STATUS__SUCCESS, body);
		}
	}
	/* More than the line's releases receive in one datagram. */
	for (chunked = 0; chunked < 2; chunked++) {
		peer_chunked = chunked;
		exchange_send(peers[chunked], ECHO, 0, 4, DATAGRAM_MAX);
		exchange_expect(peers[chunked], 4, chunked ? DRPC__STATUS__SUCCESS : DRPC__STATUS__FAILED_MARSHAL,
				chunked ? DATAGRAM_MAX : 0);
		close(peers[chunked]);
	}
	managed_end(&managed);
	peer_chunked = ABI_CHUNKED;
}

static void
managed_speaks_what_it_was_told(void **state)
{
	static const int framings[] = {DRPC_FRAMING_DATAGRAM, DRPC_FRAMING_CHUNKED};
	struct managed   managed;
	int              peer;
	int              i;

	(void)state;
	for (i = 0; i < 2; i++) {
		managed_make(&managed);
		managed_set(&managed, DRPC_SERVER_FRAMING, framings[i]);
		managed_register(&managed, ECHO, managed_echo, NULL);
		managed_start(&managed);
		peer_chunked = i;
		peer         = peer_connect(managed.dir.sock);
		exchange_echo(peer, ECHO, 1);
		close(peer);
		peer_chunked = !i;
		peer         = peer_connect(managed.dir.sock);
		exchange_send(peer, ECHO, 0, 1, 10);
		/* Up to 2.6 the end of the connection is a success, so that something has to come before it. */
		peer_chunked = false;
		exchange_any(peer, DRPC__STATUS__FAILED_UNMARSHAL_CALL);
		close(peer);
		managed_end(&managed);
	}
	peer_chunked = ABI_CHUNKED;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest again[] = {unit(what_cannot_be_told_is_the_framing_of_the_variable)};
	const struct CMUnitTest tests[] = {
	    unit(session_answers_as_its_client_speaks),
	    unit(empty_datagram_is_a_call),
	    unit(session_that_ends_refuses_what_it_has_not_answered),
	    unit(session_that_ends_refuses_what_went_wrong),
	    unit(session_that_has_answered_refuses_nothing),
	    unit(end_is_no_call),
	    unit(datagram_limit_follows_from_the_line),
	    unit(session_takes_over_what_its_listener_was_told),
	    unit(set_framing_refuses_what_it_does_not_know),
	    unit(what_cannot_be_told_is_what_the_user_has_chosen),
	    unit(session_answers_the_probe),
	    unit(session_does_not_wait_to_answer_the_probe),
	    unit(loop_answers_each_client_as_it_speaks),
	    unit(loop_answers_the_probe),
	    unit(loop_answers_what_may_have_been_a_datagram),
	    unit(managed_answers_each_client_as_it_speaks),
	    unit(managed_speaks_what_it_was_told),
	};

	(void)argv;
	if (argc > 1)
		return cmocka_run_group_tests_name("detection again", again, NULL, NULL);
	return cmocka_run_group_tests_name("detection " ABI_NAME, tests, NULL, NULL);
}
