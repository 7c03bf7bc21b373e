#include "scenario.h"

#include <pthread.h>

#include <drpc/client.h>
#include <drpc/library.h>

#include "descriptors.h"

/* No scenario needs as many as this; one that never ends would. */
#define ENOUGH 1000

bool
fits(int rc)
{
	return rc == 0 || (memory_denied() > 0 && rc == -DER_NOMEM);
}

bool
explained(int rc)
{
	return rc == 0 || LIBRARY(drpc_last_error())[0] != '\0' || memory_denied_maps() > 0;
}

struct play {
	const struct scenario *scenario;
	const char            *problem;
};

static void *
play_in_thread(void *arg)
{
	struct play *play = arg;

	memory_thread_is_known = true;
	play->problem          = play->scenario->run();
	return NULL;
}

/* A thread of its own each time: what the library keeps for a thread must be made anew and go with it. */
static void
play_once(const struct scenario *scenario, enum memory_plan plan, int nth)
{
	static const char *const plans[] = {"none", "only", "all from", "all larger than"};
	struct play              play    = {.scenario = scenario};
	int                      open    = descriptors_open();
	int                      left    = memory_left();
	pthread_t                thread;

	memory_begin(plan, nth);
	assert_int_equal(pthread_create(&thread, NULL, play_in_thread, &play), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	if (play.problem != NULL)
		fail_msg("denied %s %d: %s", plans[plan], nth, play.problem);
	if (memory_left() != left)
		fail_msg("denied %s %d: %d blocks left", plans[plan], nth, memory_left() - left);
	if (descriptors_open() != open)
		fail_msg("denied %s %d: %d descriptors left", plans[plan], nth, descriptors_open() - open);
}

void
scenario_play(void **state)
{
	const struct scenario *scenario = *state;
	enum memory_plan       plan;
	int                    nth;

	play_once(scenario, MEMORY_PLENTY, 0);
	for (plan = MEMORY_ONE; plan <= MEMORY_FROM; plan++) {
		nth = 0;
		/* Until the scenario gets all that it asks for. */
		do {
			play_once(scenario, plan, ++nth);
			assert_true(nth < ENOUGH);
		} while (memory_denied_ever() > 0);
	}
}

void
scenario_endure(void **state)
{
	const struct scenario *scenario = *state;

	play_once(scenario, MEMORY_ABOVE, 512);
	play_once(scenario, MEMORY_FROM, 1);
}

/* A page by which a process is told from its children. */
int
scenario_setup(void **state)
{
	(void)state;
	memory_thread_is_known = true;
	drpc_cancel_destroy(drpc_cancel_create());
	return 0;
}
