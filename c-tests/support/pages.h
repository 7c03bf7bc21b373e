/* The memory of the process as the kernel counts it. */
#ifndef C_TESTS_PAGES_H
#define C_TESTS_PAGES_H

/* MiB that are resident. */
long pages_mib(void);
/* Page faults so far. */
long pages_faults(void);

#endif
