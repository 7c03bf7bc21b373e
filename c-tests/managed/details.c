/* Why a call has failed, as the managed server tells its clients and its log. */
#include "abi.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <drpc/client.h>
#include <drpc/library.h>

#include "support/calling.h"
#include "support/descriptors.h"
#include "support/managed.h"
#include "support/patience.h"
#include "support/peer.h"
#include "support/said.h"
#include "support/taken.h"

/* The module whose name the texts have. */
enum { MGMT = 2 };

/* A user who is not this one. */
enum { OTHER_UID = 4242 };

/* The last warning. */
static struct {
	pthread_mutex_t lock;
	char            line[512];
} log_of = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void
keep_warning(int level, const char *line, void *arg)
{
	(void)arg;
	if (level != DRPC_LOG_WARN)
		return;
	pthread_mutex_lock(&log_of.lock);
	snprintf(log_of.line, sizeof(log_of.line), "%s", line);
	pthread_mutex_unlock(&log_of.lock);
}

/* Whether the last warning is this sentence, about this process. */
static bool
is_logged(const char *text)
{
	char about[64];
	bool found;

	snprintf(about, sizeof(about), " pid=%d uid=%u ", (int)getpid(), (unsigned)geteuid());
	pthread_mutex_lock(&log_of.lock);
	found = strstr(log_of.line, text) != NULL && strstr(log_of.line, about) != NULL;
	pthread_mutex_unlock(&log_of.lock);
	return found;
}

/* The answer is the status with this text, or with none. */
static bool
is_told(const Drpc__Response *resp, int status, const char *text)
{
	const char *detail = drpc_response_detail(resp);
	char        quoted[256];

	if ((int)resp->status != status || (detail == NULL) != (text == NULL))
		return false;
	if (text == NULL)
		return status == DRPC__STATUS__SUCCESS || strstr(drpc_last_error(), "it says") == NULL;
	snprintf(quoted, sizeof(quoted), ": it says \"%s\"", text);
	return SAYS(quoted, drpc_status_name(status)) && strcmp(detail, text) == 0;
}

/* Calls with the shared client: true if the answer is the status with this text. */
static bool
shared_is_told(const char *path, int framing, int32_t module, size_t len, int status, const char *text)
{
	struct drpc_client *client = NULL;
	Drpc__Response     *resp   = NULL;
	uint8_t             body[4096] = {0};
	bool                told;

	if (drpc_client_create(path, &client) != 0 || drpc_client_set(client, DRPC_CLIENT_FRAMING, framing) != 0 ||
	    drpc_client_connect(client) != 0)
		return false;
	told = drpc_client_call(client, module, 206, body, len, NULL, &resp) == 0 && is_told(resp, status, text);
	drpc_response_free(resp);
	drpc_client_destroy(client);
	return told;
}

/* The same with the plain one. */
static bool
plain_is_told(const char *path, int framing, int32_t module, size_t len, int status, const char *text)
{
	struct drpc    *ctx;
	Drpc__Call     *call;
	Drpc__Response *resp = NULL;
	bool            told;

	if (abi_connect(path, &ctx) != 0 || drpc_set_framing(ctx, framing) != 0)
		return false;
	call = call_new(ctx, module, 206, len);
	told = drpc_call(ctx, R_SYNC, call, &resp) == 0 && is_told(resp, status, text);
	drpc_call_free(call);
	drpc_response_free(resp);
	drpc_close(ctx);
	return told;
}

static const int framings[] = {DRPC_FRAMING_DATAGRAM, DRPC_FRAMING_CHUNKED, DRPC_FRAMING_AUTO};

/* Both kinds of client are told this, in both framings, and so is the log if `logged`. */
static void
both_are_told(const struct managed *managed, int32_t module, size_t len, int status, const char *text, bool logged)
{
	for (size_t i = 0; i < sizeof(framings) / sizeof(*framings); i++) {
		assert_true(shared_is_told(managed->dir.sock, framings[i], module, len, status, text));
		if (logged)
			UNTIL(is_logged(text));
		assert_true(plain_is_told(managed->dir.sock, framings[i], module, len, status, text));
	}
}

/* A server that may be given options before it starts. */
static void
make(struct managed *managed)
{
	drpc_set_log(keep_warning, NULL);
	managed_make(managed);
	managed_register(managed, MGMT, managed_echo, NULL);
}

static void
end(struct managed *managed)
{
	managed_end(managed);
	drpc_set_log(NULL, NULL);
}

/* --- rules of the server ---------------------------------------------------------------- */

/* A session of this user is one too many. One that has not called for a second is told nothing, and a busy machine may need
 * longer for that. */
static int
is_one_too_many(const struct dir *dir)
{
	struct managed      managed = {.dir = *dir};
	struct drpc_client *first   = NULL;
	Drpc__Response     *resp    = NULL;
	char                text[256];

	drpc_set_log(keep_warning, NULL);
	if (drpc_server_create(dir->sock, &managed.server) != 0 ||
	    drpc_server_set(managed.server, DRPC_SERVER_MAX_SESSIONS_PER_UID, 1) != 0 ||
	    drpc_server_register(managed.server, MGMT, managed_echo, NULL, 0) != 0 ||
	    drpc_server_start(managed.server) != 0)
		return 1;
	if (drpc_client_create(dir->sock, &first) != 0 || drpc_client_connect(first) != 0 ||
	    drpc_client_call(first, MGMT, 206, "x", 1, NULL, &resp) != 0 || resp->status != DRPC__STATUS__SUCCESS)
		return 2;
	if (drpc_response_detail(resp) != NULL)
		return 3;
	drpc_response_free(resp);
	snprintf(text, sizeof(text), "refused: uid %u has 1 sessions, the limit of DRPC_SERVER_MAX_SESSIONS_PER_UID",
		 (unsigned)geteuid());
	for (int left = 10; !shared_is_told(dir->sock, DRPC_FRAMING_CHUNKED, MGMT, 1, DRPC__STATUS__FAILURE, text); left--)
		if (left == 0)
			return 4;
	if (!is_logged(text))
		return 5;
	drpc_client_destroy(first);
	drpc_server_destroy(managed.server);
	return 0;
}

/* Row 26. */
static void
too_many_sessions_are_told(void **state)
{
	(void)state;
	as_user(is_one_too_many);
}

/* Row 27. */
static void
a_large_call_is_told_its_size_and_the_limit(void **state)
{
	struct managed managed;

	(void)state;
	make(&managed);
	managed_set(&managed, DRPC_SERVER_MAX_MESSAGE, 1000);
	managed_start(&managed);
	/* Of this length the first call of a client needs no padding. */
	both_are_told(&managed, MGMT, 2002, DRPC__STATUS__FAILURE,
		      "closed: a call of 2012 bytes is too large: DRPC_SERVER_MAX_MESSAGE is 1000", true);
	end(&managed);
}

/* Row 28. */
static void
a_user_is_told_the_module_that_is_for_others(void **state)
{
	static const uid_t other = OTHER_UID;
	struct managed     managed;
	char               text[256];

	(void)state;
	make(&managed);
	assert_int_equal(drpc_server_allow(managed.server, MGMT, &other, 1), 0);
	managed_start(&managed);
	snprintf(text, sizeof(text), "uid %u may not call the module mgmt, which drpc_server_allow leaves to other users",
		 (unsigned)geteuid());
	both_are_told(&managed, MGMT, 5, DRPC__STATUS__FAILURE, text, true);
	end(&managed);
}

static bool
refuse(struct drpc_session *session, void *arg)
{
	/* There is no call to be failed. */
	*(int *)arg = drpc_session_fail(session, DRPC__STATUS__FAILURE, "why");
	return false;
}

/* Row 29. */
static void
a_client_is_told_that_it_is_not_let_in(void **state)
{
	struct managed managed;
	char           text[256];
	int            rc = 0;

	(void)state;
	make(&managed);
	assert_int_equal(drpc_server_authorise(managed.server, refuse, &rc), 0);
	managed_start(&managed);
	snprintf(text, sizeof(text), "refused: the function of drpc_server_authorise does not let uid %u in",
		 (unsigned)geteuid());
	both_are_told(&managed, MGMT, 5, DRPC__STATUS__FAILURE, text, true);
	assert_int_equal(rc, -DER_INVAL);
	end(&managed);
}

static void
answer_with_2000_bytes(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	(void)session;
	(void)call;
	(void)arg;
	resp->body.data = calloc(1, 2000);
	resp->body.len  = 2000;
}

/* Row 33. */
static void
a_large_response_is_told_its_size_and_the_limit(void **state)
{
	struct managed managed;

	(void)state;
	make(&managed);
	managed_register(&managed, OTHER, answer_with_2000_bytes, NULL);
	managed_set(&managed, DRPC_SERVER_MAX_MESSAGE, 1000);
	managed_start(&managed);
	both_are_told(&managed, OTHER, 5, DRPC__STATUS__FAILED_MARSHAL,
		      "a response of 2005 bytes cannot be sent: DRPC_SERVER_MAX_MESSAGE is 1000", true);
	end(&managed);
}

/* --- what handlers say ------------------------------------------------------------------- */

/* What a handler says. */
struct saying {
	const char *text;
	int         status;
	int         rc;
};

static void
say(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	struct saying *saying = arg;

	(void)call;
	/* The last one counts. */
	saying->rc = drpc_session_fail(session, DRPC__STATUS__UNKNOWN_METHOD, "another text");
	if (saying->rc == 0)
		saying->rc = drpc_session_fail(session, saying->status, saying->text);
	if (saying->rc != 0)
		resp->status = DRPC__STATUS__SUCCESS;
}

static void
a_handler_says_why(void **state)
{
	char           text[256];
	struct managed managed;
	struct saying  saying;

	(void)state;
	make(&managed);
	managed_register(&managed, OTHER, say, &saying);
	managed_start(&managed);
	saying = (struct saying){"pool 7 is gone", DRPC__STATUS__FAILURE, -1};
	both_are_told(&managed, OTHER, 5, DRPC__STATUS__FAILURE, "pool 7 is gone", false);
	assert_int_equal(saying.rc, 0);
	saying = (struct saying){"caf\xc3\xa9 \xff\n\x1b[31m\xe2\x80\xae!", DRPC__STATUS__FAILURE, -1};
	both_are_told(&managed, OTHER, 5, DRPC__STATUS__FAILURE, "caf\xc3\xa9 ??" "?[31m?!", false);
	/* 199 bytes, and a character that does not fit. */
	memset(text, 'x', 199);
	strcpy(text + 199, "\xc3\xa9 and more");
	saying = (struct saying){strdup(text), DRPC__STATUS__FAILURE, -1};
	text[199] = '\0';
	both_are_told(&managed, OTHER, 5, DRPC__STATUS__FAILURE, text, false);
	free((char *)saying.text);
	saying = (struct saying){NULL, DRPC__STATUS__FAILURE, -1};
	both_are_told(&managed, OTHER, 5, DRPC__STATUS__FAILURE, NULL, false);
	saying = (struct saying){"why", DRPC__STATUS__SUCCESS, -1};
	assert_true(shared_is_told(managed.dir.sock, DRPC_FRAMING_AUTO, OTHER, 5, DRPC__STATUS__SUCCESS, NULL));
	assert_int_equal(saying.rc, -DER_INVAL);
	end(&managed);
}

/* A call that its handler has taken, and the client that waits for the answer. */
struct waiting {
	const struct managed *managed;
	int                   status;
	const char           *text;
	bool                  told;
};

static void *
wait_for_answer(void *arg)
{
	struct waiting *waiting = arg;

	waiting->told = shared_is_told(waiting->managed->dir.sock, DRPC_FRAMING_AUTO, OTHER, 5, waiting->status, waiting->text);
	return NULL;
}

static void
a_deferred_call_is_told_why(void **state)
{
	static const struct {
		int         status;
		int         rc;
		int         sent;
		const char *text;
	} cases[] = {
	    {DRPC__STATUS__FAILURE, 0, DRPC__STATUS__FAILURE, "too late"},
	    {DRPC__STATUS__UNKNOWN_METHOD, 0, DRPC__STATUS__UNKNOWN_METHOD, NULL},
	    {DRPC__STATUS__SUCCESS, -DER_INVAL, DRPC__STATUS__FAILURE, NULL},
	};
	struct taken   taken = TAKEN_NONE;
	struct managed managed;

	(void)state;
	make(&managed);
	managed_register(&managed, OTHER, taken_handler, &taken);
	managed_start(&managed);
	for (int i = 0; i < 3; i++) {
		struct waiting       waiting = {&managed, cases[i].sent, cases[i].text, false};
		struct drpc_request *request;
		pthread_t            thread;

		assert_int_equal(pthread_create(&thread, NULL, wait_for_answer, &waiting), 0);
		UNTIL(taken_count(&taken) == i + 1);
		request = taken.requests[i];
		/* The handler has returned, and its response with it. */
		assert_int_equal(drpc_session_fail(drpc_request_session(request), DRPC__STATUS__FAILURE, "why"), -DER_INVAL);
		assert_int_equal(drpc_request_fail(request, cases[i].status, cases[i].text), cases[i].rc);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_true(waiting.told);
	}
	end(&managed);
}

/* A proxy hands on what it has been told, as its handler's response or a deferred one. */
static void
hand_on(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	struct drpc_client *client = arg;
	Drpc__Response     *theirs = NULL;

	if (drpc_client_call(client, OTHER, 206, NULL, 0, NULL, &theirs) != 0)
		return;
	if (call->body.len == 5) {
		*resp = *theirs;
		free(theirs);
	} else {
		drpc_request_respond(drpc_session_defer(session), theirs);
		drpc_response_free(theirs);
	}
}

static void
a_text_is_handed_on(void **state)
{
	struct saying       saying = {"pool 7 is gone", DRPC__STATUS__FAILURE, -1};
	struct managed      servers[2];
	struct drpc_client *client;

	(void)state;
	make(&servers[0]);
	managed_register(&servers[0], OTHER, say, &saying);
	managed_start(&servers[0]);
	assert_int_equal(drpc_client_create(servers[0].dir.sock, &client), 0);
	assert_int_equal(drpc_client_connect(client), 0);
	make(&servers[1]);
	managed_register(&servers[1], OTHER, hand_on, client);
	managed_start(&servers[1]);
	both_are_told(&servers[1], OTHER, 5, DRPC__STATUS__FAILURE, "pool 7 is gone", false);
	both_are_told(&servers[1], OTHER, 6, DRPC__STATUS__FAILURE, "pool 7 is gone", false);
	managed_end(&servers[1]);
	drpc_client_destroy(client);
	end(&servers[0]);
}

/* --- bytes -------------------------------------------------------------------------------- */

/* The record that answers a call of module OTHER. */
static ssize_t
answer_to(const struct managed *managed, int64_t sequence, uint8_t *record, size_t size)
{
	int     peer = peer_connect(managed->dir.sock);
	ssize_t len;

	assert_true(peer_send_call(peer, OTHER, 206, sequence, NULL, 0));
	len = peer_recv_record(peer, record, size);
	close(peer);
	return len;
}

static void
nothing_is_said_where_that_is_turned_off(void **state)
{
	static const uint8_t with[]    = "\x08\x07\x10\x02\xf2\x7f\x03why";
	static const uint8_t without[] = "\x08\x07\x10\x02";
	struct saying        saying    = {"why", DRPC__STATUS__FAILURE, -1};
	size_t               head      = peer_chunked ? 24 : 0;
	struct managed       managed;
	uint8_t              record[512];

	(void)state;
	for (int says = 0; says < 2; says++) {
		const uint8_t *expected = says ? with : without;
		size_t         len      = (says ? sizeof(with) : sizeof(without)) - 1;

		make(&managed);
		assert_int_equal(drpc_server_set(managed.server, DRPC_SERVER_DETAIL, 2), -DER_INVAL);
		assert_true(SAYS("DRPC_SERVER_DETAIL cannot be 2: it can be 0 or 1"));
		/* On unless turned off. */
		if (!says)
			managed_set(&managed, DRPC_SERVER_DETAIL, 0);
		managed_register(&managed, OTHER, say, &saying);
		managed_start(&managed);
		assert_int_equal(answer_to(&managed, 7, record, sizeof(record)), head + len);
		assert_memory_equal(record + head, expected, len);
		/* The sequence -1 is the answer to what is no call. */
		assert_int_equal(answer_to(&managed, -1, record, sizeof(record)), head + 13);
		end(&managed);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    unit(too_many_sessions_are_told),
	    unit(a_large_call_is_told_its_size_and_the_limit),
	    unit(a_user_is_told_the_module_that_is_for_others),
	    unit(a_client_is_told_that_it_is_not_let_in),
	    unit(a_large_response_is_told_its_size_and_the_limit),
	    unit(a_handler_says_why),
	    unit(a_deferred_call_is_told_why),
	    unit(a_text_is_handed_on),
	    unit(nothing_is_said_where_that_is_turned_off),
	};

	return cmocka_run_group_tests_name("managed details " ABI_NAME, tests, NULL, NULL);
}
