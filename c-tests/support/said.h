/* What drpc_last_error says, and failures that only users without rights meet. */
#ifndef C_TESTS_SAID_H
#define C_TESTS_SAID_H

#include <stdbool.h>

#include "dir.h"

/* True if the text of the thread's last error has all of these words, of which the last is followed by NULL. */
bool said_all(const char *const *words);

#define SAYS(...) said_all((const char *const[]){__VA_ARGS__, NULL})

/*
 * Runs `work` in a child that is no root, and has to give 0. The directory,
 * and what is in it, is that user's.
 */
void as_user(const struct dir *dir, int (*work)(const struct dir *dir));

/* The child's user as the texts have it. */
void user_name(char text[32]);

#endif
