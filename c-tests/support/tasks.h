/* The threads of this process. */
#ifndef C_TESTS_TASKS_H
#define C_TESTS_TASKS_H

int tasks_running(void);

#endif
