/*
 * Two libraries in Rust in one program, each of which panics and catches that. This one panics when the clock, which is
 * the program's here (-Wl,--wrap), does not go.
 */
#include "../abi.h"

#include <string.h>
#include <time.h>

#include <drpc/client.h>
#include <drpc/library.h>

#include "../dropin/expect.h"

int other_work(int n);
int __real_clock_gettime(clockid_t clock, struct timespec *time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time);

static bool stopped;

int
__wrap_clock_gettime(clockid_t clock, struct timespec *time)
{
	if (!stopped)
		return __real_clock_gettime(clock, time);
	errno = EINVAL;
	return -1;
}

static int
our_work(bool panics)
{
	struct drpc_client *client;
	int		    rc;

	EXPECT(drpc_client_create("/nowhere", &client) == 0);
	stopped = panics;
	rc = drpc_client_wait_ready(client, 1);
	stopped = false;
	EXPECT((strstr(drpc_last_error(), "a bug in libdrpc") != NULL) == panics);
	drpc_client_destroy(client);
	return rc;
}

int
main(void)
{
	for (int i = 0; i < 2; i++) {
		EXPECT(other_work(1) == 1);
		EXPECT(other_work(2) == -1);
		EXPECT(our_work(false) < 0);
		EXPECT(our_work(true) == -DER_MISC);
	}
	return 0;
}
