/* What drpc_last_error says, and failures that only users without rights meet. */
#ifndef C_TESTS_SAID_H
#define C_TESTS_SAID_H

#include <stdbool.h>

#include "dir.h"

/* True if the text of the thread's last error has all of these words, of which the last is followed by NULL. */
bool said_all(const char *const *words);

#define SAYS(...) said_all((const char *const[]){__VA_ARGS__, NULL})

/* Makes the text "configure: ...", which has nothing to do with calls. */
void forget_error(void);

/* Runs `work` in a child that is no root, and has to give 0. It gets a new directory, which is that user's. */
void as_user(int (*work)(const struct dir *dir));

/* The child's user as the texts have it. */
void user_name(char text[32]);

/* "pid N (PROGRAM)" of this process. */
const char *own_process(void);

#endif
