#!/bin/sh
# Runs the parts of `make check`, one line each, and adds up their tests.
#
#   MAKE=make scripts/check.sh LOG_DIRECTORY PART...
#
# A part is a make target. What it prints goes to LOG_DIRECTORY/PART.log, and is shown when the part fails. The last
# line is `N passed, N failed`; the exit status is 0 only if nothing failed.
set -u

logs=$1
shift
mkdir -p "$logs"

# Seconds that one part may take; a hang is a failure.
limit=1800

passed=0
failed=0
for part; do
	log=$logs/$part.log
	begin=$(date +%s)
	# The parts need not look for packages again: `make check` has done so.
	timeout "$limit" "${MAKE:-make}" --no-print-directory "$part" SETUP=: >"$log" 2>&1 </dev/null
	status=$?
	counts=$(awk -v status=$status -f "$(dirname "$0")/count.awk" "$log") || counts="0 1"
	part_passed=${counts% *}
	part_failed=${counts#* }
	passed=$((passed + part_passed))
	failed=$((failed + part_failed))
	printf '%-14s %5d passed %4d failed %5d s\n' "$part" "$part_passed" "$part_failed" $(($(date +%s) - begin))
	if [ "$part_failed" -ne 0 ]; then
		sed 's/^/    /' "$log"
		echo "    ($part: exit status $status, log in $log)"
	fi
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
