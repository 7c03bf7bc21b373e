#define _GNU_SOURCE

#include "sessions.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t  ended = PTHREAD_COND_INITIALIZER;
static int	       running;

static void (*serve_session)(void *session);

static void *
run(void *session)
{
	serve_session(session);
	pthread_mutex_lock(&lock);
	running--;
	pthread_cond_signal(&ended);
	pthread_mutex_unlock(&lock);
	return NULL;
}

static void
start(void *session)
{
	pthread_t thread;

	pthread_mutex_lock(&lock);
	running++;
	pthread_mutex_unlock(&lock);
	if (pthread_create(&thread, NULL, run, session) != 0)
		abort();
	pthread_detach(thread);
}

static void
stop(int sig)
{
	(void)sig;
}

void
sessions_run(int listener, void *(*welcome)(void), void (*serve)(void *session))
{
	struct sigaction action = {.sa_handler = stop};
	struct pollfd	 pollfd = {.fd = listener, .events = POLLIN};
	sigset_t	 waiting;
	sigset_t	 working;

	serve_session = serve;
	/* It is let in only while there is nothing to do, so that it is not missed. */
	sigemptyset(&working);
	sigaddset(&working, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &working, &waiting);
	sigaction(SIGTERM, &action, NULL);
	while (ppoll(&pollfd, 1, NULL, &waiting) > 0) {
		void *session = welcome();

		if (session != NULL)
			start(session);
	}
	pthread_mutex_lock(&lock);
	while (running > 0)
		pthread_cond_wait(&ended, &lock);
	pthread_mutex_unlock(&lock);
}
