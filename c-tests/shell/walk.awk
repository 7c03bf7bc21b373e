# Cuts a walk-through in Markdown into steps, which the shell runs in the reader's order:
#
#   ```c calc.c      a file of this name
#   ```sh            commands; each has to end well. "sh fails": the last one has to fail
#   ```text          what the commands before have written
#
# Writes STEPS/001.file, whose first line is the name, STEPS/002.sh and STEPS/002.text, and so on. Other fences are not run.
function begin(kind) {
	step += kind != "text"
	out = sprintf("%s/%03d.%s", steps, step, kind)
	printf "" > out
}
!out && /^```sh( fails)?$/ { begin($2 == "fails" ? "fails" : "sh"); commands = 1; next }
!out && /^```text$/ { begin("text"); next }
!out && /^```[a-z]+ [^ ]+$/ { begin("file"); print $2 > out; next }
!out && /^```/ { out = "/dev/null"; next }
/^```$/ { close(out); out = ""; commands = 0; next }
commands && !/[&\\]$/ { print $0 " || return 1" > out; next }
out { print > out }
