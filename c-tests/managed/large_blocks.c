/* The pages that a managed server takes for large bodies. Its clients are a process of their own. */
#include "abi.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/descriptors.h"
#include "support/exchange.h"
#include "support/managed.h"
#include "support/pages.h"
#include "support/peer.h"

enum { MIB = 1 << 20, SESSIONS = 30, CALLS = 1 };

/* A handler that answers with a copy. */
static void
copy(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	(void)session;
	(void)arg;
	resp->body.len  = call->body.len;
	resp->body.data = malloc(call->body.len);
	memcpy(resp->body.data, call->body.data, call->body.len);
}

#ifdef DRPC_ABI_28
static void *
call_often(void *path)
{
	int peer = peer_connect(path);

	for (int i = 1; i <= CALLS; i++) {
		exchange_send(peer, ECHO, 0, i, 8 * MIB);
		exchange_expect(peer, i, DRPC__STATUS__SUCCESS, 8 * MIB);
	}
	close(peer);
	return NULL;
}

static void
call_at_once(char *path)
{
	pthread_t threads[SESSIONS];

	for (int i = 0; i < SESSIONS; i++)
		pthread_create(&threads[i], NULL, call_often, path);
	for (int i = 0; i < SESSIONS; i++)
		pthread_join(threads[i], NULL);
}

static void
memory_goes_back(drpc_server_handler_t handler)
{
	struct managed managed;
	long           before;
	long           after;
	int            status;
	pid_t          child;

	managed_make(&managed);
	managed_set(&managed, DRPC_SERVER_MAX_SESSIONS_PER_UID, 0);
	/* A user's share of it is enough for all sessions. */
	managed_set(&managed, DRPC_SERVER_MAX_PARTIAL, 1 << 30);
	managed_set(&managed, DRPC_SERVER_MAX_UNSENT, 1 << 30);
	managed_register(&managed, ECHO, handler, NULL);
	managed_start(&managed);
	before = pages_mib();
	child  = fork();
	if (child == 0) {
		call_at_once(managed.dir.sock);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	while (managed_stats(&managed).sessions > 0)
		usleep(1000);
	after = pages_mib();
	print_message("# %ld MiB, and %ld after the load\n", before, after);
	/* 33 MiB of free blocks, and what a few blocks of handlers have left. */
	assert_true(after - before < 33 + 4 * 8);
	managed_end(&managed);
}

static void
memory_goes_back_after_many_sessions(void **state)
{
	(void)state;
	memory_goes_back(managed_echo);
}

static void
memory_goes_back_of_handlers_that_copy(void **state)
{
	(void)state;
	memory_goes_back(copy);
}

#endif

/* The page faults of a body in fresh memory, of which pages from 32 MiB on are huge but for the first and the last ones. */
#define FAULTS(size) ((long)(size) < 32 * MIB ? (long)(size) / 4096 : 600)

static void
calls_take_no_pages(size_t size, int calls, drpc_server_handler_t handler)
{
	struct managed managed;
	long           faults[2];
	int            turns[2];
	int            status;
	pid_t          child;
	char           turn = 0;

	managed_make(&managed);
	managed_set(&managed, DRPC_SERVER_THREADS, 1);
	managed_register(&managed, ECHO, handler, NULL);
	managed_start(&managed);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, turns), 0);
	child = fork();
	if (child == 0) {
		int peer = peer_connect(managed.dir.sock);

		for (int i = 1; i <= 2 * calls; i++) {
			exchange_send(peer, ECHO, 0, i, size);
			exchange_expect(peer, i, DRPC__STATUS__SUCCESS, size);
			if (i % calls == 0 && (write(turns[1], &turn, 1) != 1 || read(turns[1], &turn, 1) != 1))
				_exit(1);
		}
		_exit(0);
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(read(turns[0], &turn, 1), 1);
		faults[i] = pages_faults();
		assert_int_equal(write(turns[0], &turn, 1), 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	print_message("# %ld page faults in %d calls\n", faults[1] - faults[0], calls);
	/* A body may find its block in use now and then. Fresh memory for each call would be many more. */
	assert_true(faults[1] - faults[0] < FAULTS(size) * calls / 6);
	close(turns[0]);
	close(turns[1]);
	managed_end(&managed);
}

static void
steady_calls_take_no_pages(void **state)
{
	(void)state;
	calls_take_no_pages(MIB, 24, copy);
#ifdef DRPC_ABI_28
	calls_take_no_pages(16 * MIB, 24, copy);
#endif
}

#ifdef DRPC_ABI_28
/* Of a handler that hands the body back: its own block of this size would be unmapped when it is freed. */
static void
steady_calls_of_the_largest_bodies_take_no_pages(void **state)
{
	(void)state;
	calls_take_no_pages(64 * MIB, 12, managed_echo);
}
#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
#ifdef DRPC_ABI_28 /* The other library does the same, which takes time. */
		/* After a burst it takes some calls until handlers find their blocks again. */
		unit(steady_calls_take_no_pages),
		unit(memory_goes_back_after_many_sessions),
		unit(memory_goes_back_of_handlers_that_copy),
		unit(steady_calls_of_the_largest_bodies_take_no_pages),
#else
		unit(steady_calls_take_no_pages),
#endif
	};

	/* A body of this size is no datagram. */
	peer_chunked = true;
	return cmocka_run_group_tests_name("managed large blocks " ABI_NAME, tests, NULL, NULL);
}
