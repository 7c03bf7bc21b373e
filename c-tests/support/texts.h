/* What the texts of failures have to say. */
#ifndef C_TESTS_TEXTS_H
#define C_TESTS_TEXTS_H

/* Fails the test unless drpc_last_error() has each of these texts, up to a NULL. */
void error_says(const char *text, ...) __attribute__((sentinel));
/* Makes it "configure: ...", which has nothing to do with calls. */
void error_forget(void);
/* "pid N (PROGRAM)" of this process. */
const char *own_process(void);

#endif
