#!/bin/sh
# Runs test programs one after the other and passes on the TAP they print.
#
#   LIMIT=seconds VALGRIND=command support/run.sh LIBRARY_DIRECTORY PROGRAM...
#
# With VALGRIND set (memcheck's command) a program fails also for an error that memcheck finds, for any block that is
# not freed and any descriptor that is not closed when it ends. That a program ended well is told as a test of its own.
set -u

libs=$1
shift

LD_LIBRARY_PATH=$libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
CMOCKA_MESSAGE_OUTPUT=TAP
export LD_LIBRARY_PATH CMOCKA_MESSAGE_OUTPUT
unset DRPC_LOG

failed=0

# The descriptors that memcheck saw open at the end, those it was started with aside.
descriptors_left() {
	awk '/== Open /{ open++ } /<inherited from parent>/{ open-- } END { print open + 0 }' "$1"
}

for program; do
	name=$(basename "$(dirname "$program")")/$(basename "$program")
	said=
	if [ -z "${VALGRIND:-}" ]; then
		timeout "$LIMIT" "$program" 2>&1 </dev/null
		status=$?
	else
		said=$program.memcheck
		timeout "$LIMIT" $VALGRIND -q --error-exitcode=99 --leak-check=full --show-leak-kinds=all \
			--errors-for-leak-kinds=all --track-fds=yes --log-file="$said" "$program" 2>&1 </dev/null
		status=$?
		if [ "$status" -eq 0 ] && [ "$(descriptors_left "$said")" -ne 0 ]; then
			status=descriptors
		fi
	fi
	case $status in
	0)
		echo "ok - $name ended well"
		continue
		;;
	124) echo "not ok - $name ended well: still running after $LIMIT s" ;;
	descriptors) echo "not ok - $name ended well: left descriptors open" ;;
	*) echo "not ok - $name ended well: exit status $status" ;;
	esac
	[ -z "$said" ] || sed 's/^/# /' "$said"
	failed=1
done
exit $failed
