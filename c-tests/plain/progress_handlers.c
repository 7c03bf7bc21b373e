/* The loop with handlers that come back to it, and with handlers that run elsewhere. */
#include "abi.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include <daos/drpc_progress.h>

#include "support/body.h"
#include "support/descriptors.h"
#include "support/dir.h"
#include "support/exchange.h"
#include "support/loop.h"
#include "support/patience.h"
#include "support/peer.h"

/* --- handlers that come back --------------------------------------------------------------- */

static struct server *around;
static int            inner_rc;

static void
progress_inside(Drpc__Call *call, Drpc__Response *resp)
{
	(void)call;
	(void)resp;
	inner_rc = drpc_progress(around->loop, 0);
}

static void
the_loop_is_not_entered_twice(void **state)
{
	struct server server;
	int           peer;

	(void)state;
	loop_serve(&server, progress_inside);
	around   = &server;
	inner_rc = 0;
	peer     = loop_join(&server);
	exchange_send(peer, 2, 206, 1, 0);
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	assert_int_equal(inner_rc, -DER_BUSY);
	exchange_expect(peer, 1, DRPC__STATUS__SUCCESS, 0);
	close(peer);
	loop_stop(&server);
}

static void
progress_elsewhere(Drpc__Call *call, Drpc__Response *resp)
{
	(void)call;
	(void)resp;
	inner_rc = drpc_progress(around->loop, PATIENCE_MS);
}

static void
another_loop_may_be_entered(void **state)
{
	struct server outer;
	struct server inner;
	int           peers[2];

	(void)state;
	loop_serve(&outer, progress_elsewhere);
	loop_serve(&inner, loop_echo);
	around   = &inner;
	inner_rc = -1;
	peers[0] = loop_join(&outer);
	peers[1] = loop_join(&inner);
	exchange_send(peers[0], 2, 206, 1, 0);
	exchange_send(peers[1], 2, 206, 2, 10);
	assert_int_equal(drpc_progress(outer.loop, PATIENCE_MS), 0);
	assert_int_equal(inner_rc, 0);
	exchange_expect(peers[0], 1, DRPC__STATUS__SUCCESS, 0);
	exchange_expect(peers[1], 2, DRPC__STATUS__SUCCESS, 10);
	close(peers[0]);
	close(peers[1]);
	loop_stop(&outer);
	loop_stop(&inner);
}

static void
close_inside(Drpc__Call *call, Drpc__Response *resp)
{
	(void)call;
	(void)resp;
	drpc_progress_context_close(around->loop);
}

static void
closing_from_a_handler_waits_for_the_cycle(void **state)
{
	struct server server;
	int           peers[3];
	int           i;

	(void)state;
	loop_serve(&server, close_inside);
	around = &server;
	for (i = 0; i < 3; i++)
		peers[i] = loop_join(&server);
	exchange_send(peers[1], 2, 206, 1, 0);
	drpc_progress(server.loop, PATIENCE_MS);
	/* The reply is out, and everything is closed; the loop is gone. */
	exchange_expect(peers[1], 1, DRPC__STATUS__SUCCESS, 0);
	for (i = 0; i < 3; i++) {
		assert_true(peer_is_closed(peers[i]));
		close(peers[i]);
	}
	dir_remove(&server.dir);
}

/* --- spawned handlers ------------------------------------------------------------------------- */

struct job {
	void (*fn)(void *);
	void *arg;
};

static struct job jobs[8];
static int        job_count;

static int
keep_job(void (*fn)(void *), void *arg)
{
	jobs[job_count++] = (struct job){fn, arg};
	return 0;
}

static void
run_job(int index)
{
	jobs[index].fn(jobs[index].arg);
}

static int
refuse_job(void (*fn)(void *), void *arg)
{
	(void)fn;
	(void)arg;
	return -DER_NOMEM;
}

static int
restore_spawner(void **state)
{
	drpc_progress_set_spawner(NULL);
	return descriptors_check(state);
}

static void
spawned_handlers_run_when_they_please(void **state)
{
	struct server         server;
	struct drpc_call_ctx *given;
	int                   peer;

	(void)state;
	loop_serve(&server, loop_echo);
	drpc_progress_set_spawner(keep_job);
	job_count = 0;
	peer      = loop_join(&server);
	exchange_send(peer, 2, 206, 1, 10);
	exchange_send(peer, 2, 206, 2, 20);
	loop_settle(server.loop);
	assert_int_equal(job_count, 2);
	assert_true(peer_is_quiet(peer));
	given = jobs[0].arg;
	assert_ptr_equal(given->session, loop_session_at(server.loop, 0));
	assert_int_equal(given->session->ref_count, 3);
	assert_int_equal(given->call->sequence, 1);
	assert_int_equal(given->call->body.len, 10);
	assert_int_equal(given->resp->sequence, 1);
	assert_int_equal(given->resp->status, DRPC__STATUS__SUCCESS);
	/* Replies go out in the order in which the handlers run. */
	run_job(1);
	exchange_expect(peer, 2, DRPC__STATUS__SUCCESS, 20);
	run_job(0);
	exchange_expect(peer, 1, DRPC__STATUS__SUCCESS, 10);
	assert_int_equal(loop_session_at(server.loop, 0)->ref_count, 1);

	drpc_progress_set_spawner(NULL);
	exchange_send(peer, 2, 206, 3, 30);
	loop_settle(server.loop);
	exchange_expect(peer, 3, DRPC__STATUS__SUCCESS, 30);
	assert_int_equal(job_count, 2);
	close(peer);
	loop_stop(&server);
}

static void
a_spawned_handler_keeps_its_session(void **state)
{
	struct server server;
	int           peers[2];

	(void)state;
	loop_serve(&server, loop_echo);
	drpc_progress_set_spawner(keep_job);
	job_count = 0;
	peers[0]  = loop_join(&server);
	peers[1]  = loop_join(&server);
	exchange_send(peers[0], 2, 206, 1, 10);
	exchange_send(peers[1], 2, 206, 2, 20);
	loop_settle(server.loop);
	assert_int_equal(job_count, 2);
	/* One peer leaves, then the loop goes; both handlers still have what they need. */
	close(peers[0]);
	loop_settle(server.loop);
	assert_int_equal(loop_sessions(server.loop), 1);
	loop_stop(&server);
	assert_true(peer_is_quiet(peers[1]));
	run_job(0);
	run_job(1);
	exchange_expect(peers[1], 2, DRPC__STATUS__SUCCESS, 20);
	assert_true(peer_is_closed(peers[1]));
	close(peers[1]);
}

static void
a_spawner_that_fails_ends_the_session(void **state)
{
	struct server server;
	int           peer;
	int           other;

	(void)state;
	loop_serve(&server, loop_echo);
	other = loop_join(&server);
	peer  = loop_join(&server);
	drpc_progress_set_spawner(refuse_job);
	exchange_send(peer, 2, 206, 9, 10);
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	if (!ABI_CHUNKED)
		/* Clients of the datagram framing take an end for success. */
		exchange_expect(peer, 9, DRPC__STATUS__FAILURE, 0);
	assert_true(peer_is_closed(peer));
	assert_int_equal(loop_sessions(server.loop), 1);
	drpc_progress_set_spawner(NULL);
	exchange_send(other, 2, 206, 1, 4);
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	exchange_expect(other, 1, DRPC__STATUS__SUCCESS, 4);
	close(peer);
	close(other);
	loop_stop(&server);
}

static void *
run_thread(void *arg)
{
	struct job job = *(struct job *)arg;

	free(arg);
	job.fn(job.arg);
	return NULL;
}

static pthread_t threads[64];
static int       thread_count;

static int
spawn_thread(void (*fn)(void *), void *arg)
{
	struct job *job = malloc(sizeof(*job));

	*job = (struct job){fn, arg};
	return pthread_create(&threads[thread_count++], NULL, run_thread, job);
}

/* The sizes differ, so that replies overtake one another; none may end up inside another. */
static void
sized_reply(Drpc__Call *call, Drpc__Response *resp)
{
	resp->body.len  = (size_t)call->method;
	resp->body.data = body_new(resp->body.len);
}

#define PIPELINED 24

static void *
loop_thread(void *arg)
{
	struct drpc_progress_context *loop = arg;

	while (thread_count < PIPELINED)
		drpc_progress(loop, 100);
	return NULL;
}

static void
replies_of_two_threads_do_not_mix(void **state)
{
	size_t               size = ABI_CHUNKED ? 150000 : 600;
	struct server        server;
	struct peer_response out;
	bool                 seen[PIPELINED + 1] = {false};
	pthread_t            loop;
	int                  peer;
	int                  i;

	(void)state;
	loop_serve(&server, sized_reply);
	drpc_progress_set_spawner(spawn_thread);
	thread_count = 0;
	peer         = loop_join(&server);
	for (i = 1; i <= PIPELINED; i++)
		assert_true(peer_send_call(peer, 2, (int32_t)(size * (size_t)(i % 4 + 1)), i, NULL, 0));
	assert_int_equal(pthread_create(&loop, NULL, loop_thread, server.loop), 0);
	for (i = 1; i <= PIPELINED; i++) {
		assert_true(peer_recv_response(peer, &out));
		assert_in_range(out.resp.sequence, 1, PIPELINED);
		assert_false(seen[out.resp.sequence]);
		seen[out.resp.sequence] = true;
		assert_int_equal(out.resp.len, size * (size_t)(out.resp.sequence % 4 + 1));
		assert_true(body_is(out.resp.body, out.resp.len));
		free(out.msg);
	}
	assert_int_equal(pthread_join(loop, NULL), 0);
	for (i = 0; i < PIPELINED; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	close(peer);
	loop_stop(&server);
}

#define spawning(test) cmocka_unit_test_setup_teardown(test, descriptors_note, restore_spawner)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    unit(the_loop_is_not_entered_twice),
	    unit(another_loop_may_be_entered),
	    unit(closing_from_a_handler_waits_for_the_cycle),
	    spawning(spawned_handlers_run_when_they_please),
	    spawning(a_spawned_handler_keeps_its_session),
	    spawning(a_spawner_that_fails_ends_the_session),
	    spawning(replies_of_two_threads_do_not_mix),
	};

	return cmocka_run_group_tests_name("progress handlers " ABI_NAME, tests, NULL, NULL);
}
