#!/bin/sh
# Runs the parts of `make check` and `make check-quick`, prints a line for each when it ends, and adds up their tests.
#
#   MAKE=make scripts/check.sh LOG_DIRECTORY 'PART...'...
#
# A part is a make target. Those of one argument run one after the other, and those of different arguments at the same
# time: they must not build in the same place. What a part prints goes to LOG_DIRECTORY/PART.log, and is shown at the end
# if it fails. The last line is `N passed, N failed`; the exit status is 0 only if nothing failed.
set -u

logs=$1
shift
mkdir -p "$logs"
rm -f "$logs"/*.result

# A filter that is left in the environment must not leave out tests here.
unset TEST_FILTER

# Seconds that one part may take; a hang is a failure.
limit=1800

# run PART...
run() {
	for part; do
		begin=$(date +%s)
		# The parts need not look for packages again: `make check` has done so.
		timeout "$limit" "${MAKE:-make}" --no-print-directory "$part" SETUP=: >"$logs/$part.log" 2>&1 </dev/null
		status=$?
		counts=$(awk -v status=$status -v user="$(id -u)" -f "$(dirname "$0")/count.awk" "$logs/$part.log") || counts="0 1 0"
		echo "$counts $status" >"$logs/$part.result"
		# shellcheck disable=SC2086
		printf '%-14s %5d passed %4d failed %5d s\n' "$part" ${counts% *} $(($(date +%s) - begin))
	done
}

# A shell has what runs in the background ignore the keyboard's interrupt.
trap 'trap - TERM; kill 0' INT TERM
for parts; do
	# shellcheck disable=SC2086
	run $parts &
done
wait

passed=0
failed=0
left_out=0
for part in $*; do
	# Without a result it has not ended.
	read -r part_passed part_failed part_left_out status <"$logs/$part.result" ||
		{ part_passed=0 part_failed=1 part_left_out=0 status=none; }
	passed=$((passed + part_passed))
	failed=$((failed + part_failed))
	left_out=$((left_out + part_left_out))
	if [ "$part_failed" -ne 0 ]; then
		sed 's/^/    /' "$logs/$part.log"
		echo "    ($part: exit status $status, log in $logs/$part.log)"
	fi
done

[ "$left_out" -eq 0 ] || echo "# $left_out more need root"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
