/* Running the program anew, for what a process looks at once. */
#ifndef C_TESTS_RERUN_H
#define C_TESTS_RERUN_H

/* Runs the program with this value of DRPC_FRAMING, or without one, and with an argument. It has to end with 0. */
void rerun(const char *framing);

#endif
