/* Fails a test that leaves a descriptor open or closes one too many. */
#ifndef C_TESTS_DESCRIPTORS_H
#define C_TESTS_DESCRIPTORS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

int descriptors_open(void);
int descriptors_note(void **state);
int descriptors_check(void **state);

/* A cmocka test whose descriptors are counted. */
#define unit(test) cmocka_unit_test_setup_teardown(test, descriptors_note, descriptors_check)

#endif
