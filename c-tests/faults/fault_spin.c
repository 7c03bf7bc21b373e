/* Managed servers and shared clients look for a message before they sleep: when, for how long, and what turns it off. */
#include "abi.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <drpc/client.h>
#include <drpc/server.h>

#include "support/descriptors.h"
#include "support/exchange.h"
#include "support/managed.h"
#include "support/peer.h"
#include "support/shared.h"
#include "support/syscalls.h"

/* The calls after which threads look, whatever came before. */
#define HOT 160

/* The waits of a long pause of which one reads the clock. */
#define UNREAD 16

static void
make(struct managed *managed, int64_t clock)
{
	unsetenv("DRPC_SPIN_US");
	assert_int_equal(drpc_set_spin(UINT_MAX), 0);
	managed_make(managed);
	managed_register(managed, ECHO, managed_echo, NULL);
	syscalls_pretend_cpus(2, clock);
}

static int
serve(const struct managed *managed, int timeout_ms)
{
	return LIBRARY(drpc_server_dispatch(managed->server, timeout_ms));
}

/* Makes a call that is there before the server waits. */
static void
call(const struct managed *managed, int peer, int64_t sequence, int timeout_ms)
{
	exchange_send(peer, ECHO, 0, sequence, 10);
	assert_int_equal(serve(managed, timeout_ms), 0);
	exchange_expect(peer, sequence, DRPC__STATUS__SUCCESS, 10);
}

static int
connected(const struct managed *managed)
{
	int peer;

	/* Then it listens. */
	assert_true(drpc_server_get_fd(managed->server) >= 0);
	peer = peer_connect(managed->dir.sock);
	assert_int_equal(serve(managed, 1), 0);
	return peer;
}

static void
a_server_looks_while_that_pays(void **state)
{
	struct drpc_server_stats before;
	struct drpc_server_stats after;
	struct managed           managed;
	int                      peer;
	int                      i;

	(void)state;
	make(&managed, 10000 * SECOND);
	peer = connected(&managed);
	/* Rare calls. */
	for (i = 1; i <= HOT; i++) {
		calls.clock += SECOND;
		call(&managed, peer, i, 1);
	}
	assert_int_equal(serve(&managed, 1), 0);
	assert_int_equal(managed_stats(&managed).spins, 0);
	/* Calls that are there already say nothing about looking. */
	for (; i <= 2 * HOT; i++)
		call(&managed, peer, i, 1);
	before = managed_stats(&managed);
	assert_int_equal(before.spins, 0);
	/* The server's 20 microseconds are four steps of this clock. */
	assert_int_equal(serve(&managed, 1), 0);
	after = managed_stats(&managed);
	assert_int_equal(after.spins, syscalls_can_pretend_cpus());
	assert_int_equal(after.spin_hits, 0);
	assert_int_equal(after.spinning_ns, syscalls_can_pretend_cpus() ? 20000 : 0);
	/* After that it sleeps at once for a while. */
	assert_int_equal(serve(&managed, 1), 0);
	assert_int_equal(managed_stats(&managed).spins, after.spins);
	/* With no time to wait it never looks. */
	calls.clock += SECOND / 10;
	for (; i <= 3 * HOT; i++)
		call(&managed, peer, i, 1);
	for (i = 0; i < 5; i++)
		assert_int_equal(serve(&managed, 0), 0);
	assert_int_equal(managed_stats(&managed).spins, after.spins);
	assert_int_equal(serve(&managed, 1), 0);
	assert_int_equal(managed_stats(&managed).spins, 2 * after.spins);
	assert_int_equal(managed_stats(&managed).handled, 3 * HOT);
	close(peer);
	managed_end(&managed);
}

/* The session that was active last is looked at more often than the others, who are not forgotten. */
static void
a_look_finds_the_calls_of_every_session(void **state)
{
	struct managed managed;
	uint64_t       others;
	int            hot;
	int            other;
	int            i;
	int            j;

	(void)state;
	make(&managed, 20000 * SECOND);
	hot   = connected(&managed);
	other = connected(&managed);
	for (i = 1; i <= HOT; i++)
		call(&managed, hot, i, 1);
	for (j = 1; j <= 20; j++) {
		for (i = 1; i <= 4; i++)
			call(&managed, hot, i, 1);
		call(&managed, other, j, 1);
	}
	/* None was found by sleeping after a look in vain. */
	others = managed_stats(&managed).spins;
	assert_int_equal(managed_stats(&managed).spin_hits, others);
	assert_in_range(others, syscalls_can_pretend_cpus() ? 5 : 0, 20);
	/* Of a session that ends nothing is left. */
	close(hot);
	while (managed_stats(&managed).sessions == 2)
		assert_int_equal(serve(&managed, 1), 0);
	call(&managed, other, j, 1);
	close(other);
	managed_end(&managed);
}

static void
a_server_does_as_it_is_told(void **state)
{
	static const struct {
		const char  *variable;
		unsigned int process;
		int64_t      option; /* -1 for none */
		bool         looks;
	} cases[] = {
	    {"0", UINT_MAX, -1, false},
	    {"200", UINT_MAX, -1, true},
	    {"200", 0, -1, false},
	    {"0", 200, -1, true},
	    {"0", 0, 200, true},
	    {"200", 200, 0, false},
	    /* Adaptive, and no call has come. */
	    {"200", 200, DRPC_SPIN_AUTO, false},
	    {NULL, UINT_MAX, -1, false},
	};
	bool           has_cpus = sysconf(_SC_NPROCESSORS_ONLN) > 1;
	struct managed managed;
	size_t         i;
	int            j;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		make(&managed, (30000 + 100 * (int64_t)i) * SECOND);
		if (cases[i].variable != NULL)
			assert_int_equal(setenv("DRPC_SPIN_US", cases[i].variable, 1), 0);
		assert_int_equal(drpc_set_spin(cases[i].process), 0);
		assert_int_equal(drpc_server_set(managed.server, DRPC_SERVER_SPIN, UINT_MAX), -DER_INVAL);
		if (cases[i].option >= 0)
			managed_set(&managed, DRPC_SERVER_SPIN, (uint64_t)cases[i].option);
		close(connected(&managed));
		calls.clock += SECOND;
		/* Some waits of a long pause, here one of the case before, pass without reading the clock. */
		for (j = 0; j < (cases[i].looks ? UNREAD + 2 : 2); j++)
			assert_int_equal(serve(&managed, 1), 0);
		assert_int_equal(managed_stats(&managed).spins > 0, cases[i].looks && has_cpus);
		managed_end(&managed);
		unsetenv("DRPC_SPIN_US");
	}
	assert_int_equal(drpc_set_spin(UINT_MAX), 0);
}

static int
call_shared(const struct shared *shared, int timeout_ms)
{
	struct drpc_call_options options = {.size = sizeof(options), .timeout_ms = timeout_ms};
	Drpc__Response          *resp    = NULL;
	int                      rc;

	rc = LIBRARY(drpc_client_call(shared->client, ECHO, 0, NULL, 0, &options, &resp));
	drpc_response_free(resp);
	return rc;
}

/* Makes calls whose answers are there already. */
static void
quick_calls(const struct shared *shared, int64_t first, int64_t last)
{
	struct peer_call seen;

	for (; first <= last; first++) {
		assert_true(peer_send_response(shared->peer, first, DRPC__STATUS__SUCCESS, NULL, 0));
		assert_int_equal(call_shared(shared, 1000), 0);
		assert_true(peer_recv_call(shared->peer, &seen));
		free(seen.msg);
	}
}

/* How often a client that had many quick calls looks for an answer that does not come; the option is -1 for none. */
static int
looks_in_vain(int64_t option, int64_t clock)
{
	struct shared shared;

	shared_make(&shared);
	assert_int_equal(drpc_client_set(shared.client, DRPC_CLIENT_SPIN, UINT_MAX), -DER_INVAL);
	shared_set(&shared, DRPC_CLIENT_RETRIES, 0);
	if (option >= 0)
		shared_set(&shared, DRPC_CLIENT_SPIN, (uint64_t)option);
	shared_connect(&shared);
	syscalls_pretend_cpus(2, clock);
	quick_calls(&shared, 1, HOT);
	calls.received = 0;
	assert_int_equal(call_shared(&shared, 1), -DER_TIMEDOUT);
	shared_end(&shared);
	return calls.received;
}

static void
a_client_looks_while_that_pays(void **state)
{
	/* 25 microseconds are five steps of this clock, and the first look is for what is there already. */
	int looking = syscalls_can_pretend_cpus() ? 6 : 0;

	(void)state;
	unsetenv("DRPC_SPIN_US");
	assert_int_equal(drpc_set_spin(UINT_MAX), 0);
	assert_int_equal(looks_in_vain(0, 40000 * SECOND), 0);
	assert_int_equal(looks_in_vain(-1, 41000 * SECOND), looking);
	assert_int_equal(looks_in_vain(DRPC_SPIN_AUTO, 42000 * SECOND), looking);
	assert_int_equal(drpc_set_spin(0), 0);
	assert_int_equal(looks_in_vain(-1, 43000 * SECOND), 0);
	assert_int_equal(looks_in_vain(DRPC_SPIN_AUTO, 44000 * SECOND), looking);
	assert_int_equal(drpc_set_spin(UINT_MAX), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    unit(a_server_looks_while_that_pays),
	    unit(a_look_finds_the_calls_of_every_session),
	    unit(a_server_does_as_it_is_told),
	    unit(a_client_looks_while_that_pays),
	};

	return cmocka_run_group_tests_name("fault spin " ABI_NAME, tests, NULL, NULL);
}
