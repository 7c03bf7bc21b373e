/* TEST_FILTER=pattern in the environment: only test functions whose names match are run; * and ? are wildcards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

__attribute__((constructor)) static void
filter_tests(void)
{
	cmocka_set_test_filter(getenv("TEST_FILTER"));
}
