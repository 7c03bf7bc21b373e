# Sourced after tap.sh by the scripts that follow a walk-through of docs/ as its reader would.

# one STEP: a file is written, commands are run, and say what the page says.
one() {
	case $1 in
	*.file)
		written=$(head -n 1 "$1")
		case $written in */*) mkdir -p "${written%/*}" ;; esac
		tail -n +2 "$1" >"$written"
		;;
	*.sh | *.fails)
		step_rc=0
		commands "$1" >"$work/out" 2>&1 || step_rc=$?
		cat "$work/out"
		case $1:$step_rc in
		*.sh:0) ;;
		*.sh:*) return 1 ;;
		*.fails:0) fail 'it should have failed' || return ;;
		esac
		expected=${1%.*}.text
		# Numbers of processes differ.
		[ ! -f "$expected" ] || sed 's/pid [0-9]*/pid 4711/g' "$work/out" | diff "$expected" -
		;;
	esac
}

commands() {
	. "$1"
}

# walk PAGE: follows it in the present directory. What it leaves running is ended.
walk() {
	steps=$work/steps
	rm -rf "$steps"
	mkdir "$steps"
	awk -v steps="$steps" -f "$here/shell/walk.awk" "$root/$1"
	for step in "$steps"/*; do
		case $step in
		*.text) continue ;;
		*.file) title="$(head -n 1 "$step") is written" ;;
		*) title=$(sed 's/ || return 1$//;s/ [&\\]$//;q' "$step") ;;
		esac
		check "$1: $title" one "$step"
	done
	jobs -p >"$work/jobs"
	while read -r job; do
		kill "$job" 2>/dev/null
	done <"$work/jobs"
}
