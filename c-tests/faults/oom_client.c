/*
 * The shared client while memory runs out, as faults/oom.c does for the plain
 * calls: what it does works or gives -DER_NOMEM, each submitted call ends once,
 * and the client is of use afterwards.
 */
#define _GNU_SOURCE
#include "abi.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <drpc/client.h>
#include <drpc/library.h>

#include "support/body.h"
#include "support/caller.h"
#include "support/dir.h"
#include "support/patience.h"
#include "support/peer.h"
#include "support/scenario.h"

#define LARGE (ABI_CHUNKED ? 600000 : 16000)

/* --- a server that answers each call with its body --------------------------------------- */

struct host {
	struct dir dir;
	int        listener;
	pthread_t  thread;
};

static void
answer(int fd)
{
	struct peer_call in;

	/* The end of the connection may look like a call without a sequence. */
	while (peer_recv_call(fd, &in) && in.msg != NULL && in.call.sequence != 0) {
		peer_send_response(fd, in.call.sequence, 0, in.call.body, in.call.len);
		free(in.msg);
	}
	free(in.msg);
	close(fd);
}

static void *
serve(void *arg)
{
	struct host *host = arg;
	int          fd;

	memory_thread_is_known = true;
	while ((fd = accept4(host->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		answer(fd);
	return NULL;
}

static void
host_begin(struct host *host)
{
	dir_make(&host->dir);
	host->listener = peer_listen(host->dir.sock);
	pthread_create(&host->thread, NULL, serve, host);
}

static void
host_end(struct host *host)
{
	shutdown(host->listener, SHUT_RD);
	pthread_join(host->thread, NULL);
	close(host->listener);
	dir_remove(&host->dir);
}

/* --- the client -------------------------------------------------------------------------- */

/* A client that is told how messages are framed, or NULL. */
static struct drpc_client *
client_of(const struct host *host)
{
	struct drpc_client *client = NULL;
	int                 rc     = LIBRARY(drpc_client_create(host->dir.sock, &client));

	if (rc == 0)
		rc = LIBRARY(drpc_client_set(client, DRPC_CLIENT_FRAMING,
					     ABI_CHUNKED ? DRPC_FRAMING_CHUNKED : DRPC_FRAMING_DATAGRAM));
	if (rc == 0)
		return client;
	LIBRARY_VOID(drpc_client_destroy(client));
	return NULL;
}

static const char *
call(struct drpc_client *client, size_t len, const struct drpc_call_options *options)
{
	uint8_t        *body = body_new(len);
	Drpc__Response *resp = NULL;
	int             rc   = LIBRARY(drpc_client_call(client, 1, 2, body, len, options, &resp));

	free(body);
	CHECK(fits(rc) || rc == -DER_UNREACH);
	CHECK(explained(rc));
	CHECK((rc == 0) == (resp != NULL));
	CHECK(rc != 0 || (resp->body.len == len && body_is(resp->body.data, len)));
	LIBRARY_VOID(drpc_response_free(resp));
	return NULL;
}

/* The same after need: the client connects if it has not been able to. */
static const char *
call_in_plenty(struct drpc_client *client)
{
	Drpc__Response *resp = NULL;

	memory_relieve();
	CHECK(LIBRARY(drpc_client_connect(client)) == 0);
	CHECK(LIBRARY(drpc_client_call(client, 1, 2, "plenty", 6, NULL, &resp)) == 0);
	CHECK(resp->body.len == 6);
	LIBRARY_VOID(drpc_response_free(resp));
	return NULL;
}

static struct drpc_client *client;
static struct host         host;

/* Plays a scene with a client and a server, and looks at the client afterwards. */
static const char *
with_client(const char *(*scene)(void))
{
	const char *problem = NULL;

	host_begin(&host);
	client = client_of(&host);
	if (client == NULL && memory_denied() == 0)
		problem = "no client";
	if (client != NULL)
		problem = scene();
	if (client != NULL && problem == NULL)
		problem = call_in_plenty(client);
	LIBRARY_VOID(drpc_client_destroy(client));
	memory_watch_threads(false);
	host_end(&host);
	return problem;
}

static const char *
making_and_setting(void)
{
	struct drpc_client *made   = NULL;
	struct drpc_cancel *cancel = LIBRARY(drpc_cancel_create());
	int                 rc;

	CHECK(cancel != NULL || memory_denied() > 0);
	LIBRARY_VOID(drpc_cancel_trigger(cancel));
	LIBRARY_VOID(drpc_cancel_destroy(cancel));
	rc = LIBRARY(drpc_client_create("relative/path", &made));
	CHECK(fits(rc));
	CHECK(explained(rc));
	CHECK((rc == 0) == (made != NULL));
	if (rc != 0)
		return NULL;
	CHECK(LIBRARY(drpc_client_set(made, DRPC_CLIENT_RETRIES, 1)) == 0);
	CHECK(!LIBRARY(drpc_client_is_connected(made)));
	rc = LIBRARY(drpc_client_get_fd(made));
	CHECK(rc > 0 || fits(rc));
	rc = LIBRARY(drpc_client_close(made));
	CHECK(fits(rc));
	LIBRARY_VOID(drpc_client_destroy(made));
	return NULL;
}

static const char *
do_calling(void)
{
	int         rc      = LIBRARY(drpc_client_connect(client));
	const char *problem = call(client, 5, NULL);

	CHECK(fits(rc));
	CHECK(explained(rc));
	return problem != NULL ? problem : call(client, LARGE, NULL);
}

static const char *
calling(void)
{
	return with_client(do_calling);
}

#if ABI_CHUNKED
static const char *
do_finding_out(void)
{
	int rc = LIBRARY(drpc_client_set(client, DRPC_CLIENT_FRAMING, DRPC_FRAMING_AUTO));

	return rc == 0 ? do_calling() : "drpc_client_set";
}

/* The server is asked what it reads. */
static const char *
finding_out(void)
{
	return with_client(do_finding_out);
}
#endif

static const char *
do_locking(void)
{
	int         rc      = LIBRARY(drpc_client_connect(client));
	int         locked  = LIBRARY(drpc_client_lock(client));
	const char *problem = call(client, 5, NULL);

	CHECK(fits(rc));
	CHECK(fits(locked));
	CHECK(fits(LIBRARY(drpc_client_unlock(client))));
	return problem;
}

static const char *
locking(void)
{
	return with_client(do_locking);
}

static const char *
do_closing(void)
{
	int rc = LIBRARY(drpc_client_connect(client));

	CHECK(fits(rc));
	rc = LIBRARY(drpc_client_close(client));
	CHECK(fits(rc));
	rc = LIBRARY(drpc_client_wait_ready(client, PATIENCE_MS));
	CHECK(fits(rc));
	return call(client, 5, NULL);
}

static const char *
closing(void)
{
	return with_client(do_closing);
}

/* --- submitted calls --------------------------------------------------------------------- */

static atomic_int ended;
static atomic_int misfits;

static void
end(int rc, Drpc__Response *resp, void *arg)
{
	(void)arg;
	if (!(rc == 0 || (rc == -DER_NOMEM && memory_denied_ever() > 0)) || (rc == 0) != (resp != NULL))
		misfits++;
	drpc_response_free(resp);
	ended++;
}

/* Submits some calls, and says how many have been taken. */
static int
submit(struct drpc_cancel *cancel)
{
	struct drpc_call_options options = CALL_OPTIONS(.timeout_ms = PATIENCE_MS, .cancel = cancel);
	int                      taken   = 0;
	int                      i;

	ended   = 0;
	misfits = 0;
	for (i = 0; i < 3; i++)
		taken += LIBRARY(drpc_client_submit(client, 1, 2, "body", 4, &options, end, NULL)) == 0;
	return taken;
}

/* Until so many have ended, or there is no memory to receive with. */
static int
dispatch_until(int taken)
{
	int rc = 0;

	while (ended < taken && rc == 0)
		rc = LIBRARY(drpc_client_dispatch(client, PATIENCE_MS));
	return rc;
}

static const char *
do_submitting(void)
{
	struct drpc_cancel *cancel = LIBRARY(drpc_cancel_create());
	int                 rc     = LIBRARY(drpc_client_connect(client));
	int                 taken  = submit(cancel);

	CHECK(fits(rc));
	CHECK(taken == 3 || memory_denied() > 0);
	if (dispatch_until(taken) != 0)
		memory_relieve();
	CHECK(dispatch_until(taken) == 0);
	CHECK(ended == taken && misfits == 0);
	LIBRARY_VOID(drpc_cancel_destroy(cancel));
	return NULL;
}

static const char *
submitting(void)
{
	return with_client(do_submitting);
}

static const char *
do_cancelling(void)
{
	struct drpc_cancel *cancel = LIBRARY(drpc_cancel_create());
	int                 rc     = LIBRARY(drpc_client_connect(client));
	int                 locked = LIBRARY(drpc_client_lock(client));
	int                 taken  = 0;

	CHECK(fits(rc));
	CHECK(fits(locked));
	taken = submit(cancel);
	LIBRARY_VOID(drpc_cancel_trigger(cancel));
	CHECK(dispatch_until(taken) == 0);
	CHECK(ended == taken);
	CHECK(fits(LIBRARY(drpc_client_unlock(client))));
	LIBRARY_VOID(drpc_cancel_destroy(cancel));
	return NULL;
}

static const char *
cancelling(void)
{
	return with_client(do_cancelling);
}

static const char *
do_dispatching_in_a_thread(void)
{
	int rc    = LIBRARY(drpc_client_set(client, DRPC_CLIENT_THREAD, 1));
	int taken = 0;
	int ms    = 0;

	CHECK(rc == 0);
	memory_watch_threads(true);
	rc = LIBRARY(drpc_client_connect(client));
	CHECK(fits(rc));
	CHECK(explained(rc));
	if (rc != 0)
		return NULL;
	taken = submit(NULL);
	/* Without a buffer it cannot receive, and tries again and again. */
	for (; ended < taken && ms < PATIENCE_MS; ms++) {
		usleep(1000);
		if (ms == 10)
			memory_relieve();
	}
	CHECK(ended == taken && misfits == 0);
	return NULL;
}

/* The client's own thread gets no memory either. */
static const char *
dispatching_in_a_thread(void)
{
	return with_client(do_dispatching_in_a_thread);
}

/* --- a path that is too long for an address, but from where the program was ----------------- */

static const char *
connecting_by_way_of_a_descriptor(void)
{
	struct drpc_client *far = NULL;
	struct dir          dir;
	char                deep[256];
	char                sock[300];
	int                 listener;
	int                 rc;

	dir_make(&dir);
	snprintf(deep, sizeof(deep), "%s/%0100d", dir.path, 0);
	snprintf(sock, sizeof(sock), "%s/s", deep);
	CHECK(mkdir(deep, 0700) == 0 && chdir(deep) == 0);
	listener = peer_listen("s");
	rc       = LIBRARY(drpc_client_create("s", &far));
	CHECK(chdir("/") == 0);
	CHECK(fits(rc));
	if (rc == 0) {
		rc = LIBRARY(drpc_client_connect(far));
		CHECK(fits(rc));
		memory_relieve();
		CHECK(LIBRARY(drpc_client_connect(far)) == 0);
	}
	LIBRARY_VOID(drpc_client_destroy(far));
	close(listener);
	unlink(sock);
	rmdir(deep);
	dir_remove(&dir);
	return NULL;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    plays(making_and_setting),
	    plays(calling),
#if ABI_CHUNKED
	    plays(finding_out),
#endif
	    plays(locking),
	    plays(closing),
	    plays(submitting),
	    plays(cancelling),
	    plays(dispatching_in_a_thread),
	    plays(connecting_by_way_of_a_descriptor),
	};

	return cmocka_run_group_tests_name("oom client " ABI_NAME, tests, scenario_setup, NULL);
}
