/* A progress loop in a program that counts system calls. */
#ifndef C_TESTS_SERVER_H
#define C_TESTS_SERVER_H

#include "loop.h"

/* Answers with FAILURE. */
void server_answer(Drpc__Call *call, Drpc__Response *resp);
/* Listens, with that handler. Counting begins anew. */
void server_begin(struct server *server);
/* Closes the loop. No call fails any more. */
void server_end(struct server *server);
/* Connects a raw client, which the loop has accepted on return; counting begins anew before that. */
int server_join(struct server *server);

#endif
