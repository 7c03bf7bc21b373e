# Makes a table for people of lines ROW|COLUMN|VERDICT, in the order in which they come:
#
#   awk -F '|' -v title=TITLE -f table.awk FOUND
#
# A cell on which there are different verdicts has all of them.

!($1 in row) { row[$1]; rows[++height] = $1 }
!($2 in column) { column[$2]; columns[++width] = $2 }
!(($1, $2, $3) in seen) {
	cell[$1, $2] = cell[$1, $2] (($1, $2) in seen ? "; " : "") $3
	seen[$1, $2]
	seen[$1, $2, $3]
}
END {
	line = "| " title " |"
	rule = "|---|"
	for (c = 1; c <= width; c++) {
		line = line " " columns[c] " |"
		rule = rule "---|"
	}
	print line
	print rule
	for (r = 1; r <= height; r++) {
		line = "| " rows[r] " |"
		for (c = 1; c <= width; c++)
			line = line " " cell[rows[r], columns[c]] " |"
		print line
	}
}
