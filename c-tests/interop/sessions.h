/* Servers with a thread for each session, until SIGTERM. */
#ifndef INTEROP_SESSIONS_H
#define INTEROP_SESSIONS_H

/*
 * Has `welcome` accept a session from the listening socket whenever there is one,
 * and `serve` run for it in a thread. After SIGTERM nobody is accepted any more, and
 * this returns once all sessions have ended. A NULL is no session.
 */
void sessions_run(int listener, void *(*welcome)(void), void (*serve)(void *session));

#endif
