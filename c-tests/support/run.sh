#!/bin/sh
# Runs test programs one after the other and passes on the TAP they print. The Makefile runs several of these at once.
#
#   LIMIT=seconds [VALGRIND=command] [EMULATOR=command] support/run.sh LIBRARY_DIRECTORY PROGRAM...
#
# That a program ended well is told as a test of its own. With VALGRIND set it has not if memcheck found an error, a
# block that was not freed or a descriptor that was not closed.
set -u

libs=$1
shift

LD_LIBRARY_PATH=$libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
CMOCKA_MESSAGE_OUTPUT=TAP
export LD_LIBRARY_PATH CMOCKA_MESSAGE_OUTPUT
unset DRPC_LOG

# memcheck LOG PROGRAM. The exit status stays the program's, and children keep silent: a child leaves behind what its
# parent had at the fork, and its status is the business of the test that forked it. Threads get their turns fairly: on an idle
# machine, one that never sleeps would keep the others from running at all.
memcheck() {
	timeout "$LIMIT" $VALGRIND --fair-sched=try --leak-check=full --show-leak-kinds=all --errors-for-leak-kinds=all --track-fds=yes \
		--child-silent-after-fork=yes --log-file="$1" "$2" 2>&1 </dev/null
}

# What memcheck has against a program, a word a complaint.
complaints() {
	grep -q 'ERROR SUMMARY: 0 errors' "$1" || echo errors
	# Those that the program was started with are not its own.
	awk '/== Open /{ open++ } /<inherited from parent>/{ open-- } END { exit open != 0 }' "$1" || echo descriptors
}

failed=0
for program; do
	name=${program##*/c-tests/}
	found=
	if [ -z "${VALGRIND:-}" ]; then
		# shellcheck disable=SC2086
		timeout "$LIMIT" ${EMULATOR:-} "$program" 2>&1 </dev/null
		status=$?
	else
		memcheck "$program.memcheck" "$program"
		status=$?
		found=$(complaints "$program.memcheck" | tr '\n' ' ')
	fi
	if [ "$status" -eq 0 ] && [ -z "$found" ]; then
		echo "ok - $name ended well"
		continue
	fi
	[ "$status" -ne 124 ] || status="$status, still running after $LIMIT s"
	echo "not ok - $name ended well: exit status $status${found:+, memcheck: $found}"
	[ -z "$found" ] || sed 's/^/# /' "$program.memcheck"
	failed=1
done
exit $failed
