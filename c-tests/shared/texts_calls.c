/* What drpc_last_error() says of calls of the shared client that were answered with another status, or not in time. */
#include "abi.h"

#include <string.h>
#include <unistd.h>

#include <drpc/library.h>

#include "support/caller.h"
#include "support/descriptors.h"
#include "support/managed.h"
#include "support/patience.h"
#include "support/peer.h"
#include "support/shared.h"
#include "support/said.h"

static void
answer_77(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	(void)session;
	(void)call;
	(void)arg;
	resp->status = 77;
}

/* A managed server with modules ECHO and 2, which answers 77, and a client of it. */
struct both {
	struct managed      server;
	struct drpc_client *client;
};

static void
both_make(struct both *both, int servers, int clients)
{
	managed_make(&both->server);
	managed_register(&both->server, ECHO, managed_echo, NULL);
	managed_register(&both->server, 2, answer_77, NULL);
	managed_set(&both->server, DRPC_SERVER_FRAMING, servers);
	managed_start(&both->server);
	assert_int_equal(drpc_client_create(both->server.dir.sock, &both->client), 0);
	assert_int_equal(drpc_client_set(both->client, DRPC_CLIENT_FRAMING, clients), 0);
	assert_int_equal(drpc_client_connect(both->client), 0);
}

static void
both_end(struct both *both)
{
	drpc_client_destroy(both->client);
	managed_end(&both->server);
}

static int
status_of_call(struct drpc_client *client, int32_t module, int32_t method)
{
	Drpc__Response *resp;
	int             status;

	assert_int_equal(drpc_client_call(client, module, method, "hello", 5, NULL, &resp), 0);
	status = (int)resp->status;
	drpc_response_free(resp);
	return status;
}

/* Rows 23 and 34. */
static void
a_status_is_named_with_its_call(void **state)
{
	struct both both;

	(void)state;
	both_make(&both, DRPC_FRAMING_AUTO, DRPC_FRAMING_DATAGRAM);
	forget_error();
	assert_int_equal(status_of_call(both.client, ECHO, 1), DRPC__STATUS__SUCCESS);
	assert_true(SAYS("configure: "));
	assert_int_equal(status_of_call(both.client, 1, 101), DRPC__STATUS__UNKNOWN_MODULE);
	assert_true(SAYS("UNKNOWN_MODULE", "sec_agent.request_creds", both.server.dir.sock));
	assert_int_equal(status_of_call(both.client, 2, 222), 77);
	assert_true(SAYS(" 77 ", ABI_CHUNKED ? "mgmt.list_containers" : "mgmt.pool_query", both.server.dir.sock));
	both_end(&both);
}

/* Row 35. */
static void
a_server_of_chunks_does_not_read_datagrams(void **state)
{
	struct both both;

	(void)state;
	both_make(&both, DRPC_FRAMING_CHUNKED, DRPC_FRAMING_DATAGRAM);
	assert_int_equal(status_of_call(both.client, ECHO, 1), DRPC__STATUS__FAILED_UNMARSHAL_CALL);
	assert_true(SAYS("FAILED_UNMARSHAL_CALL", "100.1", "the server speaks chunks, this client is set to datagrams",
		   "(DRPC_CLIENT_FRAMING)", both.server.dir.sock));
	both_end(&both);
}

/* Row 35, the other way round. */
static void
a_server_of_datagrams_does_not_read_chunks(void **state)
{
	Drpc__Response *resp;
	struct both     both;

	(void)state;
	both_make(&both, DRPC_FRAMING_DATAGRAM, DRPC_FRAMING_CHUNKED);
	assert_int_equal(drpc_client_call(both.client, ECHO, 1, "hello", 5, NULL, &resp), -DER_TRUNC);
	assert_true(SAYS("the server speaks datagrams, this client is set to chunks (DRPC_CLIENT_FRAMING)",
		   both.server.dir.sock));
	both_end(&both);
}

/* Row 35, an answer in chunks. */
static void
an_answer_in_chunks_is_known(void **state)
{
	static const struct wire_header header = {.total = 4, .size = 4, .index = 0, .chunks = 1};
	struct shared			shared;
	Drpc__Response		       *resp;

	(void)state;
	shared_make(&shared);
	shared_set(&shared, DRPC_CLIENT_FRAMING, DRPC_FRAMING_DATAGRAM);
	shared_connect(&shared);
	assert_true(peer_send_chunk(shared.peer, &header, "\x08\x01\x10\x05", 4));
	assert_int_equal(drpc_client_call(shared.client, 1, 101, NULL, 0, NULL, &resp), -DER_PROTO);
	assert_true(SAYS("the server speaks chunks, this client is set to datagrams (DRPC_CLIENT_FRAMING)", shared.dir.sock));
	shared_end(&shared);
}

/* Row 13: the time of the call, or else that of the client. */
static void
a_call_in_vain_names_its_time_and_the_server(void **state)
{
	struct drpc_call_options options = CALL_OPTIONS(.timeout_ms = 60);
	struct shared		 shared;
	Drpc__Response		*resp;

	(void)state;
	shared_make(&shared);
	shared_set(&shared, DRPC_CLIENT_TIMEOUT, 50);
	shared_connect(&shared);
	assert_int_equal(drpc_client_call(shared.client, 2, 206, NULL, 0, &options, &resp), -DER_TIMEDOUT);
	assert_true(SAYS(shared.dir.sock, ": timed out", "mgmt.get_attach_info", " 60 ms", own_process()));
	assert_int_equal(drpc_client_call(shared.client, 1, 101, NULL, 0, NULL, &resp), -DER_TIMEDOUT);
	assert_true(SAYS(shared.dir.sock, ": timed out", "sec_agent.request_creds", " 50 ms", own_process()));
	shared_end(&shared);
}

/* What a server may send in place of a text. */
static const struct {
	const char *field;
	size_t      len;
	const char *told;
} hostile[] = {
#define FIELD(bytes, told) {bytes, sizeof(bytes) - 1, told}
    FIELD("\xf2\x7f\x03why", "why"),
    FIELD("\xf2\x7f\x03one\xf2\x7f\x03two", "two"),
    FIELD("\xf2\x7f\x06\xff" "a\0\n\xe2\x80", "?a???"),
    FIELD("\xf2\x7f\x05\xe2\x80\xae<>", "?<>"),
    /* No bytes, and other types than that of bytes. */
    FIELD("\xf2\x7f\x00", NULL),
    FIELD("\xf0\x7f\x05", NULL),
    FIELD("\xf5\x7f" "1234", NULL),
    FIELD("\xf1\x7f" "12345678", NULL),
    /* The number below. */
    FIELD("\xea\x7f\x03why", NULL),
#undef FIELD
};

static void
a_hostile_text_is_harmless(void **state)
{
	struct shared shared;

	(void)state;
	shared_make(&shared);
	shared_connect(&shared);
	for (size_t i = 0; i < sizeof(hostile) / sizeof(*hostile); i++) {
		uint8_t         message[64] = {0x08, (uint8_t)(i + 1), 0x10, DRPC__STATUS__FAILURE};
		Drpc__Response *resp;
		const char     *detail;

		memcpy(message + 4, hostile[i].field, hostile[i].len);
		assert_true(peer_send_message(shared.peer, message, 4 + hostile[i].len));
		assert_int_equal(drpc_client_call(shared.client, 2, 206, NULL, 0, NULL, &resp), 0);
		assert_int_equal(resp->status, DRPC__STATUS__FAILURE);
		detail = drpc_response_detail(resp);
		if (hostile[i].told == NULL) {
			assert_null(detail);
			assert_null(strstr(drpc_last_error(), "it says"));
		} else {
			assert_string_equal(detail, hostile[i].told);
			assert_true(SAYS("it says \"", hostile[i].told));
		}
		drpc_response_free(resp);
	}
	/* A success has no text. */
	{
		Drpc__Response *resp;

		assert_true(peer_send_message(shared.peer, (const uint8_t *)"\x08\x0a\xf2\x7f\x03why", 8));
		assert_int_equal(drpc_client_call(shared.client, 2, 206, NULL, 0, NULL, &resp), 0);
		assert_null(drpc_response_detail(resp));
		drpc_response_free(resp);
	}
	shared_end(&shared);
}

/* --- submitted calls ------------------------------------------------------------------------------- */

/* What a result function has to find in drpc_last_error(). */
struct wanted {
	const char *path;
	const char *call;
	const char *what;
	int         rc;
	int         status;
	bool        done;
};

static void
look(int rc, Drpc__Response *resp, void *arg)
{
	struct wanted *wanted = arg;

	assert_int_equal(rc, wanted->rc);
	if (rc == 0)
		assert_int_equal(resp->status, wanted->status);
	assert_true(SAYS(wanted->path, wanted->call, wanted->what));
	drpc_response_free(resp);
	wanted->done = true;
}

static void
dispatch_until_done(struct drpc_client *client, const struct wanted *wanted)
{
	while (!wanted->done)
		assert_int_equal(drpc_client_dispatch(client, PATIENCE_MS), 0);
}

static void
the_result_of_a_submitted_call_is_named(void **state)
{
	struct both   both;
	struct wanted wanted;

	(void)state;
	both_make(&both, DRPC_FRAMING_AUTO, DRPC_FRAMING_DATAGRAM);
	wanted = (struct wanted){both.server.dir.sock, "mgmt.set_rank", " 77 ", 0, 77, false};
	forget_error();
	assert_int_equal(drpc_client_submit(both.client, 2, 202, NULL, 0, NULL, look, &wanted), 0);
	dispatch_until_done(both.client, &wanted);
	both_end(&both);
}

static void
a_submitted_call_in_vain_is_named(void **state)
{
	struct drpc_call_options options = CALL_OPTIONS(.timeout_ms = 50);
	struct shared		 shared;
	struct wanted		 wanted;

	(void)state;
	shared_make(&shared);
	shared_connect(&shared);
	wanted = (struct wanted){shared.dir.sock, "mgmt.set_rank", " 50 ms", -DER_TIMEDOUT, 0, false};
	forget_error();
	assert_int_equal(drpc_client_submit(shared.client, 2, 202, NULL, 0, &options, look, &wanted), 0);
	dispatch_until_done(shared.client, &wanted);
	assert_true(SAYS(own_process()));
	shared_end(&shared);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		unit(a_status_is_named_with_its_call),
		unit(a_server_of_chunks_does_not_read_datagrams),
		unit(a_server_of_datagrams_does_not_read_chunks),
		unit(an_answer_in_chunks_is_known),
		unit(a_call_in_vain_names_its_time_and_the_server),
		unit(a_hostile_text_is_harmless),
		unit(the_result_of_a_submitted_call_is_named),
		unit(a_submitted_call_in_vain_is_named),
	};

	return cmocka_run_group_tests_name("shared texts_calls " ABI_NAME, tests, NULL, NULL);
}
