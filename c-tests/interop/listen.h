/* Sockets of the peers. */
#ifndef INTEROP_LISTEN_H
#define INTEROP_LISTEN_H

/* The listening socket, or -1. */
int listen_at(const char *path);
/* A connected socket, or -1. */
int connect_to(const char *path);

#endif
