/* What drpc_last_error() says of calls of the plain API that were answered with another status, or not in time. */
#include "abi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <drpc/library.h>

#include "support/calling.h"
#include "support/descriptors.h"
#include "support/dir.h"
#include "support/peer.h"
#include "support/rerun.h"
#include "support/said.h"

/* How a server says that a message is no call. */
#define NO_CALL "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x05"

/* A client of a server that the test plays, at a path. */
struct client {
	struct dir   dir;
	struct drpc *ctx;
	int          listener;
	int          peer;
};

static struct client
client_new(void)
{
	struct client client;

	dir_make(&client.dir);
	client.listener = peer_listen(client.dir.sock);
	assert_int_equal(abi_connect(client.dir.sock, &client.ctx), 0);
	client.peer = accept(client.listener, NULL, NULL);
	assert_true(client.peer >= 0);
	return client;
}

static struct client
client_told(int framing)
{
	struct client client = client_new();

	assert_int_equal(drpc_set_framing(client.ctx, framing), 0);
	return client;
}

/* A client whose framing is the one of the ABI, which it need not find out. */
static struct client
client_of_the_line(void)
{
	return client_told(ABI_CHUNKED ? DRPC_FRAMING_CHUNKED : DRPC_FRAMING_DATAGRAM);
}

static void
client_end(struct client *client)
{
	drpc_close(client->ctx);
	close(client->peer);
	close(client->listener);
	dir_remove(&client->dir);
}

/* A call that has to return rc; the status of its response, or -1. errno stays as it is if there is one. */
static int
call(struct client *client, int32_t module, int32_t method, int rc)
{
	Drpc__Call     *call = call_new(client->ctx, module, method, 5);
	Drpc__Response *resp = NULL;
	int             status;

	errno = EXDEV;
	assert_int_equal(drpc_call(client->ctx, R_SYNC, call, &resp), rc);
	if (rc == 0)
		assert_int_equal(errno, EXDEV);
	status = rc == 0 ? (int)resp->status : -1;
	drpc_call_free(call);
	drpc_response_free(resp);
	return status;
}

/* Rows 23 to 25 and 33: the status by its name, the call by its name, the path. */
static void
a_status_is_named_with_its_call(void **state)
{
	static const char *const names[] = {NULL,		    "SUBMITTED",	     "FAILURE",
					    "UNKNOWN_MODULE",	    "UNKNOWN_METHOD",	     "FAILED_UNMARSHAL_CALL",
					    "FAILED_UNMARSHAL_PAYLOAD", "FAILED_MARSHAL"};
	struct client		 client = client_of_the_line();
	int			 status;

	(void)state;
	for (status = 1; status < (int)(sizeof(names) / sizeof(*names)); status++) {
		forget_error();
		reply(client.peer, status, status, 0);
		assert_int_equal(call(&client, 2, 206, 0), status);
		assert_true(SAYS(names[status], "mgmt.get_attach_info", client.dir.sock));
		assert_null(strstr(drpc_last_error(), "speaks"));
	}
	client_end(&client);
}

/* A response with these bytes behind its status; what drpc_response_detail says of it. */
static void
expect_detail(struct client *client, uint8_t sequence, const void *field, size_t len, const char *told)
{
	Drpc__Call     *call = call_new(client->ctx, 2, 206, 5);
	uint8_t        *message = malloc(4 + len);
	Drpc__Response *resp = NULL;

	assert_non_null(message);
	memcpy(message, (const uint8_t[]){0x08, sequence, 0x10, DRPC__STATUS__FAILURE}, 4);
	memcpy(message + 4, field, len);
	assert_true(peer_send_message(client->peer, message, 4 + len));
	assert_int_equal(drpc_call(client->ctx, R_SYNC, call, &resp), 0);
	if (told == NULL) {
		assert_null(drpc_response_detail(resp));
		assert_null(strstr(drpc_last_error(), "it says"));
	} else {
		assert_string_equal(drpc_response_detail(resp), told);
		assert_true(SAYS("FAILURE to mgmt.get_attach_info: it says \"", told));
	}
	/* The field is kept as it came, and freed with the response. */
	assert_int_equal(drpc__response__get_packed_size(resp), 4 + len);
	drpc_call_free(call);
	drpc_response_free(resp);
	free(message);
}

static void
what_a_server_says_is_told(void **state)
{
	struct client client = client_of_the_line();
	uint8_t       large[4 + 10000];
	char          cut[201];

	(void)state;
	assert_null(drpc_response_detail(NULL));
	expect_detail(&client, 1, "\xf2\x7f\x03why", 6, "why");
	expect_detail(&client, 2, "\xf2\x7f\x03one\xf2\x7f\x03two", 12, "two");
	expect_detail(&client, 3, "\xf2\x7f\x06\xff" "a\0\n\xe2\x80", 9, "?a???");
	expect_detail(&client, 4, "\xf0\x7f\x05", 3, NULL);
	expect_detail(&client, 5, "\xf2\x7f\x00", 3, NULL);
	memcpy(large, "\xf2\x7f\x90\x4e", 4);
	memset(large + 4, 'x', 10000);
	memset(cut, 'x', 200);
	cut[200] = '\0';
	expect_detail(&client, 6, large, sizeof(large), cut);
	client_end(&client);
}

/* Row 34. */
static void
an_unknown_status_keeps_its_number(void **state)
{
	struct client client = client_of_the_line();

	(void)state;
	reply(client.peer, 1, 77, 0);
	assert_int_equal(call(&client, 7, 701, 0), 77);
	assert_true(SAYS(" 77 ", " 7.701", client.dir.sock));
	reply(client.peer, 2, INT32_MIN, 0);
	assert_int_equal(call(&client, 3, 399, 0), INT32_MIN);
	assert_true(SAYS(" -2147483648 ", " srv.399"));
	client_end(&client);
}

/* The first four of 221 to 224 have another meaning in each line. */
static void
names_are_those_of_the_line(void **state)
{
	struct client client = client_of_the_line();

	(void)state;
	reply(client.peer, 1, DRPC__STATUS__FAILURE, 0);
	assert_int_equal(call(&client, 2, 222, 0), DRPC__STATUS__FAILURE);
	assert_true(SAYS(ABI_CHUNKED ? "mgmt.list_containers" : "mgmt.pool_query"));
	client_end(&client);
}

/* Neither the text nor errno is touched. */
static void
success_says_nothing(void **state)
{
	struct client   client = client_of_the_line();
	Drpc__Response *resp;

	(void)state;
	forget_error();
	reply(client.peer, 1, DRPC__STATUS__SUCCESS, 9);
	assert_int_equal(call(&client, 2, 206, 0), DRPC__STATUS__SUCCESS);
	assert_true(SAYS("configure: "));
	/* Nor does a call that does not wait, whose status is SUBMITTED. */
	resp = do_call(client.ctx, 0, 0);
	drpc_response_free(resp);
	assert_true(SAYS("configure: "));
	client_end(&client);
}

/* Row 13. The process that listens is this one. The kernel keeps 100 ms as they are, at any rate of its clock. */
static void
a_call_in_vain_names_its_time_and_the_server(void **state)
{
	struct client client = client_of_the_line();

	(void)state;
	assert_int_equal(drpc_set_timeout(client.ctx, 100), 0);
	assert_int_equal(call(&client, 2, 206, -DER_TIMEDOUT), -1);
	assert_true(SAYS("reply ", client.dir.sock, ": timed out", "mgmt.get_attach_info", " 100 ms", own_process()));
	client_end(&client);
}

/* A server can choose its name, and cannot forge a line by it. */
static void
the_name_of_the_server_is_escaped(void **state)
{
	struct client client;
	char          before[16];

	(void)state;
	assert_int_equal(prctl(PR_GET_NAME, before), 0);
	assert_int_equal(prctl(PR_SET_NAME, "a\x1b[2Jb\"c"), 0);
	client = client_of_the_line();
	assert_int_equal(drpc_set_timeout(client.ctx, 100), 0);
	assert_int_equal(call(&client, 1, 101, -DER_TIMEDOUT), -1);
	assert_int_equal(prctl(PR_SET_NAME, before), 0);
	assert_true(SAYS("sec_agent.request_creds", "(a\\x1b[2Jb\\\"c)"));
	client_end(&client);
}

/* Row 35, the answer of this library's servers, which they give as a datagram. */
static void
a_server_of_chunks_does_not_read_datagrams(void **state)
{
	struct client client = client_told(DRPC_FRAMING_DATAGRAM);

	(void)state;
	assert_true(peer_send_record(client.peer, NO_CALL, sizeof(NO_CALL) - 1));
	assert_int_equal(call(&client, 2, 206, 0), DRPC__STATUS__FAILED_UNMARSHAL_CALL);
	assert_true(SAYS("FAILED_UNMARSHAL_CALL", "mgmt.get_attach_info",
		   "the server speaks chunks, this client is set to datagrams", "drpc_set_framing", client.dir.sock));
	/* A later one is not put down to the framing. */
	assert_true(peer_send_record(client.peer, NO_CALL, sizeof(NO_CALL) - 1));
	assert_int_equal(call(&client, 2, 206, 0), DRPC__STATUS__FAILED_UNMARSHAL_CALL);
	assert_null(strstr(drpc_last_error(), "speaks"));
	client_end(&client);
}

/* Row 35, an answer in chunks. */
static void
an_answer_in_chunks_is_known(void **state)
{
	static const struct wire_header header = {.total = 4, .size = 4, .index = 0, .chunks = 1};
	struct client			client = client_told(DRPC_FRAMING_DATAGRAM);

	(void)state;
	assert_true(peer_send_chunk(client.peer, &header, "\x08\x01\x10\x05", 4));
	assert_int_equal(call(&client, 2, 206, -DER_PROTO), -1);
	assert_true(SAYS("the server speaks chunks, this client is set to datagrams (drpc_set_framing)", client.dir.sock));
	client_end(&client);
}

/* Row 35, the other way round. */
static void
an_answer_in_a_datagram_is_known(void **state)
{
	struct client client = client_told(DRPC_FRAMING_CHUNKED);

	(void)state;
	assert_true(peer_send_record(client.peer, NO_CALL, sizeof(NO_CALL) - 1));
	assert_int_equal(call(&client, 2, 206, -DER_TRUNC), -1);
	assert_true(SAYS("the server speaks datagrams, this client is set to chunks (drpc_set_framing)", client.dir.sock));
	client_end(&client);
	/* Garbage is none. */
	client = client_told(DRPC_FRAMING_CHUNKED);
	assert_true(peer_send_record(client.peer, "\xff garbage", 9));
	assert_int_equal(call(&client, 2, 206, -DER_TRUNC), -1);
	assert_null(strstr(drpc_last_error(), "speaks"));
	client_end(&client);
}

/* Run with each value of DRPC_FRAMING, which is read once a process, and without one. */
static void
the_place_of_the_choice_is_named(void **state)
{
	const char   *chosen = getenv("DRPC_FRAMING");
	struct client client = client_new();

	(void)state;
	assert_true(peer_send_record(client.peer, NO_CALL, sizeof(NO_CALL) - 1));
	if (chosen != NULL && strcmp(chosen, "chunked") == 0) {
		assert_int_equal(call(&client, 2, 206, -DER_TRUNC), -1);
		assert_true(SAYS("speaks datagrams", "(DRPC_FRAMING in the environment)"));
	} else {
		assert_int_equal(call(&client, 2, 206, 0), DRPC__STATUS__FAILED_UNMARSHAL_CALL);
		assert_true(SAYS("speaks chunks",
			   chosen != NULL ? "(DRPC_FRAMING in the environment)" : "(the default of libdrpc-0.8)"));
	}
	client_end(&client);
}

static void
the_place_of_each_choice_is_named(void **state)
{
	(void)state;
	rerun("datagram");
	rerun("chunked");
	/* libdrpc-2.8 finds out. */
	if (!ABI_CHUNKED)
		rerun(NULL);
}

/* The text of a number names no cause that may be wrong. */
static void
numbers_name_no_cause(void **state)
{
	(void)state;
	assert_string_equal(drpc_strerror(-DER_MISC), "DER_MISC: error without a number of its own; drpc_last_error() has its cause");
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest again[] = {unit(the_place_of_the_choice_is_named)};
	const struct CMUnitTest tests[] = {
	    unit(a_status_is_named_with_its_call),
		unit(what_a_server_says_is_told),
	    unit(an_unknown_status_keeps_its_number),
	    unit(names_are_those_of_the_line),
	    unit(success_says_nothing),
	    unit(a_call_in_vain_names_its_time_and_the_server),
	    unit(the_name_of_the_server_is_escaped),
	    unit(a_server_of_chunks_does_not_read_datagrams),
	    unit(an_answer_in_chunks_is_known),
	    unit(an_answer_in_a_datagram_is_known),
	    unit(the_place_of_each_choice_is_named),
	    unit(numbers_name_no_cause),
	};

	(void)argv;
	if (argc > 1)
		return cmocka_run_group_tests_name("plain texts_calls again", again, NULL, NULL);
	return cmocka_run_group_tests_name("texts_calls " ABI_NAME, tests, NULL, NULL);
}
