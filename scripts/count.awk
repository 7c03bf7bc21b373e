# Prints how many tests passed, failed and were left out, in the log of a part, which make left with `status`.
#
# Counted are cargo's `test result:` lines and TAP. A test that was skipped has failed, unless the user is not root, which some need.
# So has one that a TAP plan (`1..N`) announced and nothing reported. A part that failed without naming a test, or that ran none, is
# one failure.

/^test result: / { passed += $4; failed += $6 + $8 }
/^1\.\.[0-9]+/ { planned += substr($1, 4) }
/^(not )?ok( |$)/ {
	tap++
	if (user != 0 && toupper($0) ~ /# *SKIP/)
		left_out++
	else if (/^not/ || toupper($0) ~ /# *(SKIP|TODO)/)
		failed++
	else
		passed++
}

END {
	if (planned > tap)
		failed += planned - tap
	if (failed == 0 && (passed == 0 || status != 0))
		failed = 1
	print passed + 0, failed + 0, left_out + 0
}
