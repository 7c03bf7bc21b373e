/*
 * D-Bus by libsystemd, peer to peer: what both sides name alike.
 */
#ifndef BENCH_PEERS_SD_BUS_H
#define BENCH_PEERS_SD_BUS_H

#include <errno.h>
#include <systemd/sd-bus.h>

#include "program.h"

#define OBJECT "/bench"
#define INTERFACE "bench.Echo"
#define METHOD "Echo"

/* Functions of libsystemd return errors as negative numbers. */
static inline int
well(int rc, const char *what)
{
	if (rc < 0) {
		errno = -rc;
		die(what);
	}
	return rc;
}

#endif
