# What became of a list of calls, in a few words:
#
#   awk -f verdict.awk CLAIMS LOG
#
# CLAIMS is what a client has printed, LOG what the server has executed. The words are how large calls may be, and
# answers if that is something else: "all", "16 KiB", "128 KiB", "none". What is not so simple is told at length. A call
# that the client was told has failed, but which was executed, counts as failed; how many there are of those whose answer
# was not too large is said behind: "none, 12 executed". What must never be is written in capitals.

FILENAME == ARGV[1] {
	name = $1
	if (!(name in failed))
		names[++count] = name
	failed[name] += 0
	# A call that was only sent is as good as the answer to the one behind it.
	if (sent != "") {
		if ($2 == "done")
			believed[sent]++
		else
			failed[sent]++
		sent = ""
	}
	if ($2 == "submitted")
		sent = name
	else if ($2 == "error" || $2 == "cut")
		failed[name]++
	else
		believed[name]++
	if ($2 == "cut")
		cut = 1
	else if ($2 != "done" && $2 != "error" && $2 != "submitted")
		complain(toupper($2), name)
	next
}

{
	if (!($4 in executed))
		logged[++lines] = $4
	executed[$4]++
}

# Each kind of complaint is told once, with the first call that it is about.
function complain(what, name) {
	if (!(what in about)) {
		complaints[++kinds] = what
		about[what] = name
	}
	times[what]++
}

# How large a call or an answer can be for a message of 16 KiB or 128 KiB. That of sequence 0 is shorter.
function in_words(largest, has_failed) {
	if (!has_failed)
		return "all"
	if (largest == 16374 || largest == 16379 || largest == 16381)
		return "16 KiB"
	if (largest == 131061 || largest == 131066 || largest == 131068)
		return "128 KiB"
	return largest < 0 ? "none" : largest " bytes"
}

END {
	largest["take"] = largest["make"] = -1
	smallest["take"] = smallest["make"] = 2 ^ 40
	for (i = 1; i <= count; i++) {
		name = names[i]
		split(name, parts, ":")
		kind = parts[1] == "make" ? "make" : "take"
		size = parts[2] + 0
		seen[kind] = 1
		if (executed[name] < believed[name])
			complain("NOT DONE", name)
		else if (executed[name] > believed[name] + failed[name])
			complain("TWICE", name)
		else if (executed[name] > believed[name])
			lost[kind] += executed[name] - believed[name]
		if (believed[name] && size > largest[kind])
			largest[kind] = size
		if (failed[name] && size < smallest[kind])
			smallest[kind] = size
	}
	for (i = 1; i <= lines; i++)
		if (!(logged[i] in failed))
			complain("AS ANOTHER", logged[i])
	for (kind in seen) {
		words[kind] = in_words(largest[kind], smallest[kind] < 2 ^ 40)
		if (smallest[kind] < largest[kind])
			complain("fails from", kind ":" smallest[kind])
	}
	verdict = words["take"]
	if ("make" in seen && words["make"] != verdict && words["make"] != "all")
		verdict = verdict " / " words["make"]
	# That an answer is too large is found out after the call was executed.
	if (words["make"] == "none")
		lost["take"] += lost["make"]
	if (lost["take"])
		verdict = verdict ", " lost["take"] " executed"
	if (cut)
		verdict = verdict ", then cut"
	for (i = 1; i <= kinds; i++) {
		what = complaints[i]
		verdict = verdict ", " what " " about[what] (times[what] > 1 ? " and " times[what] - 1 " more" : "")
	}
	print verdict
}
