#include "gate.h"

#include <errno.h>
#include <time.h>

#include "patience.h"

void
gate_pass(struct gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	gate->came++;
	pthread_cond_broadcast(&gate->changed);
	while (!gate->open)
		pthread_cond_wait(&gate->changed, &gate->lock);
	pthread_mutex_unlock(&gate->lock);
}

void
gate_open(struct gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	gate->open = true;
	pthread_cond_broadcast(&gate->changed);
	pthread_mutex_unlock(&gate->lock);
}

bool
gate_await(struct gate *gate, int came)
{
	struct timespec end;
	int             rc = 0;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += PATIENCE_MS / 1000;
	pthread_mutex_lock(&gate->lock);
	while (gate->came < came && rc != ETIMEDOUT)
		rc = pthread_cond_timedwait(&gate->changed, &gate->lock, &end);
	pthread_mutex_unlock(&gate->lock);
	return rc == 0;
}

int
gate_came(struct gate *gate)
{
	int came;

	pthread_mutex_lock(&gate->lock);
	came = gate->came;
	pthread_mutex_unlock(&gate->lock);
	return came;
}
