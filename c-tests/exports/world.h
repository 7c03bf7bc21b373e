/* The objects that an exported function is tried with, and what it may return. */
#ifndef C_TESTS_EXPORTS_WORLD_H
#define C_TESTS_EXPORTS_WORLD_H

#include "../abi.h"

#include <stdio.h>
#include <unistd.h>

#include <daos/drpc_handler.h>
#include <daos/drpc_progress.h>
#include <drpc/client.h>
#include <drpc/server.h>
#include <drpc/service.h>

#include "support/dir.h"
#include "support/taken.h"

/* The arguments of the functions. With `null` there are none. */
struct world {
	bool        null;
	struct dir  dir;
	const char *path;       /* of the managed server */
	const char *other_path; /* of a listener of the plain API */
	const char *free_path;  /* where nothing is */

	struct drpc_server *server; /* is being called */
	struct drpc_server *fresh;  /* has done nothing yet */
	struct drpc_client *client; /* has a thread, and submitted the call that is the request */
	struct drpc_cancel *cancel; /* gives that up */
	struct taken        taken;
	struct drpc_request *request;
	struct drpc_session *caller; /* of the request */
	void                *closure_data; /* of a call of a service that is kept */

	struct drpc                  *ctx;     /* a client whose reply is there already */
	struct drpc                  *session; /* a session whose call is */
	struct drpc                  *listener;
	struct drpc_progress_context *progress; /* of another listener */
	int                           peers[4];

	Drpc__Call            call;
	Drpc__Response        resp;
	uint8_t               packed[64];
	size_t                packed_len;
	ProtobufCBuffer       buffer;
	struct dss_drpc_handler handlers[2];
};

/* In a child, where a failed assertion would have the child go on with the tests of its parent. */
#define NEED(condition)                                                                                                \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "# %s:%d: %s\n", __FILE__, __LINE__, #condition);                              \
			_exit(90);                                                                                     \
		}                                                                                                      \
	} while (0)

/* What a function that has been given NULL must return. */
#define NUMBER(rc)    refused(w, (rc) == -DER_INVAL)
#define POINTER(made) refused(w, (made) == NULL)
#define NOTHING(rc)   refused(w, (rc) == 0)
/* A place for a result. */
#define PLACE(place) (w->null ? NULL : (place))

/* Everything there is, which the end of the process gives back. */
struct world *make_world(bool yielding);
/* Ends the process unless a function did as documented, where it has been given NULL. */
void refused(const struct world *w, bool as_documented);
/* A handler, and a completion, that do nothing. */
void answer_nothing(Drpc__Call *call, Drpc__Response *resp);
void done(int rc, Drpc__Response *resp, void *arg);

/* A function for each export, which tries it: from the export map. */
#define EXPORT(name) void try_##name(struct world *w);
#include "exports.h"
#undef EXPORT

#endif
