/* The counters of the managed server. */
#include "abi.h"

#include <unistd.h>

#include "support/descriptors.h"
#include "support/exchange.h"
#include "support/gate.h"
#include "support/managed.h"
#include "support/patience.h"
#include "support/peer.h"

static void
stats_refuse_wrong_arguments(void **state)
{
	struct drpc_server_stats stats = {.size = sizeof(stats)};
	uint64_t                 answered[9];
	struct managed           managed;

	(void)state;
	managed_make(&managed);
	assert_int_equal(drpc_server_get_stats(NULL, &stats), -DER_INVAL);
	assert_int_equal(drpc_server_get_stats(managed.server, NULL), -DER_INVAL);
	stats.size = 0;
	assert_int_equal(drpc_server_get_stats(managed.server, &stats), -DER_INVAL);
	assert_int_equal(drpc_server_get_module_stats(NULL, ECHO, answered), -DER_INVAL);
	assert_int_equal(drpc_server_get_module_stats(managed.server, ECHO, NULL), -DER_INVAL);
	managed_end(&managed);
}

/* Takes a little, and answers with the method as the status. */
static void
answer_method(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	(void)session;
	(void)arg;
	usleep(2000);
	resp->status = (Drpc__Status)call->method;
}

static void
stats_count_what_happened(void **state)
{
	static const uint8_t     garbage[] = {0xff, 0xff, 0xff, 0xff};
	struct drpc_server_stats before;
	struct drpc_server_stats after;
	uint64_t                 answered[9];
	struct managed           managed;
	uid_t                    other = geteuid() + 1;
	int                      status;
	int                      peer;

	(void)state;
	managed_make(&managed);
	managed_register(&managed, ECHO, managed_echo, NULL);
	managed_register(&managed, OTHER, answer_method, NULL);
	managed_register(&managed, NOBODY, managed_echo, NULL);
	assert_int_equal(drpc_server_allow(managed.server, NOBODY, &other, 1), 0);
	managed_start(&managed);
	before = managed_stats(&managed);
	assert_int_equal(before.size, sizeof(before));
	assert_int_equal(before.sessions, 0);
	assert_int_equal(before.accepted, 0);

	/* 2 calls of ECHO, 7 of OTHER of which 1 has a number without a name, 1 refused, 1 unknown, 1 that is none. */
	peer = peer_connect(managed.dir.sock);
	exchange_echo(peer, ECHO, 1);
	exchange_echo(peer, ECHO, 2);
	for (status = DRPC__STATUS__SUCCESS; status <= DRPC__STATUS__FAILED_UNMARSHAL_CALL; status++) {
		exchange_send(peer, OTHER, status, 3, 0);
		exchange_expect(peer, 3, status, 0);
	}
	exchange_send(peer, OTHER, 77, 4, 0);
	exchange_expect(peer, 4, 77, 0);
	exchange_refused(peer, NOBODY, 5, DRPC__STATUS__FAILURE);
	exchange_refused(peer, 12345, 6, DRPC__STATUS__UNKNOWN_MODULE);
	assert_true(peer_send_message(peer, garbage, sizeof(garbage)));
	exchange_expect(peer, -1, DRPC__STATUS__FAILED_UNMARSHAL_CALL, 0);

	/* A handler is counted when it has returned, which its client need not wait for. */
	UNTIL(managed_stats(&managed).handled == 9);
	after = managed_stats(&managed);
	assert_int_equal(after.sessions, 1);
	assert_int_equal(after.accepted, 1);
	assert_int_equal(after.answered[DRPC__STATUS__SUCCESS], 3);
	assert_int_equal(after.answered[DRPC__STATUS__SUBMITTED], 1);
	assert_int_equal(after.answered[DRPC__STATUS__FAILURE], 2);
	assert_int_equal(after.answered[DRPC__STATUS__UNKNOWN_MODULE], 2);
	assert_int_equal(after.answered[DRPC__STATUS__UNKNOWN_METHOD], 1);
	assert_int_equal(after.answered[DRPC__STATUS__FAILED_MARSHAL], 0);
	assert_int_equal(after.answered[8], 1);
	assert_int_equal(after.forbidden, 1);
	assert_int_equal(after.unparsable, 1);
	assert_int_equal(after.handled, 9);
	assert_true(after.handling_ns >= 7 * 2000000);
	assert_in_range(after.longest_ns, 2000000, after.handling_ns);
	/* Bodies alone are 40 bytes each way, and no message is larger than its body by more than 40. */
	assert_in_range(after.bytes_in, 40, 40 + 12 * 40);
	assert_in_range(after.bytes_out, 20, 20 + 12 * 40);
	assert_int_equal(after.refused, 0);
	assert_int_equal(after.accept_errors, 0);
	assert_int_equal(after.out_of_step, 0);
	assert_int_equal(after.cut, 0);
	assert_int_equal(after.unsendable, 0);
	assert_int_equal(after.no_memory, 0);

	assert_int_equal(drpc_server_get_module_stats(managed.server, ECHO, answered), 0);
	assert_int_equal(answered[DRPC__STATUS__SUCCESS], 2);
	assert_int_equal(answered[DRPC__STATUS__FAILURE], 0);
	assert_int_equal(drpc_server_get_module_stats(managed.server, OTHER, answered), 0);
	for (status = DRPC__STATUS__SUCCESS; status <= DRPC__STATUS__FAILED_UNMARSHAL_CALL; status++)
		assert_int_equal(answered[status], 1);
	assert_int_equal(answered[8], 1);
	assert_int_equal(drpc_server_get_module_stats(managed.server, 12345, answered), -DER_NONEXIST);

	close(peer);
	UNTIL(managed_stats(&managed).sessions == 0);
	assert_int_equal(managed_stats(&managed).accepted, 1);
	managed_end(&managed);
}

static void
stats_count_who_had_to_wait(void **state)
{
	struct gate    gate = GATE_CLOSED;
	struct managed managed;
	int            peers[3];
	int            i;

	(void)state;
	managed_make(&managed);
	managed_set(&managed, DRPC_SERVER_THREADS, 2);
	managed_register(&managed, ECHO, managed_wait, &gate);
	managed_start(&managed);
	for (i = 0; i < 3; i++) {
		peers[i] = peer_connect(managed.dir.sock);
		if (i < 2) {
			exchange_send(peers[i], ECHO, 0, 1, 10);
			assert_true(gate_await(&gate, i + 1));
		}
	}
	assert_int_equal(managed_stats(&managed).saturated, 0);
	exchange_send(peers[2], ECHO, 0, 1, 10);
	gate_open(&gate);
	for (i = 0; i < 3; i++) {
		exchange_expect(peers[i], 1, DRPC__STATUS__SUCCESS, 10);
		close(peers[i]);
	}
	assert_true(managed_stats(&managed).saturated > 0);
	managed_end(&managed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		unit(stats_refuse_wrong_arguments),
		unit(stats_count_what_happened),
		unit(stats_count_who_had_to_wait),
	};

	return cmocka_run_group_tests_name("managed stats " ABI_NAME, tests, NULL, NULL);
}
