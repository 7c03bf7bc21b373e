#!/bin/sh
# Prints the software bill of materials, as SPDX 2.3: the crates that a source release holds, and which of them are linked
# into what. Needs jq.
#
#   SOURCE_DATE_EPOCH=... scripts/sbom.sh NEEDED
#
# NEEDED has a crate a line, as NAME-VERSION.
set -eu
LC_ALL=C
export LC_ALL

needed=$(realpath "$1")
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}

linked() {
	scripts/linked.sh "$@" | jq -Rn '[inputs | split(" ") | "\(.[0])-\(.[1])"]'
}
checksums() {
	sed -n 's/^\(name\|version\|checksum\) = "\(.*\)"/\1 \2/p' Cargo.lock |
		awk '$1 == "name" { name = $2 } $1 == "version" { version = $2 } $1 == "checksum" { print name "-" version, $2 }' |
		jq -Rn '[inputs | split(" ") | { key: .[0], value: .[1] }] | from_entries'
}

"$cargo" metadata --locked --format-version 1 |
	jq --rawfile needed "$needed" --argjson sums "$(checksums)" \
		--argjson libraries "$(linked drpc-0-8 drpc-2-8)" --argjson command "$(linked drpc-cli)" \
		--arg created "$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)" '
	def id: "SPDXRef-" + gsub("[^A-Za-z0-9.-]"; "-");
	def crate_id: "crate-" + . | id;
	def licence: (. // "NOASSERTION") | gsub("/"; " OR ");
	def package: { licenseConcluded: "NOASSERTION", copyrightText: "NOASSERTION", filesAnalyzed: false,
		downloadLocation: "NOASSERTION" } + .;
	def relation($kind; $to): { spdxElementId: ., relationshipType: $kind, relatedSpdxElement: $to };

	(.packages[] | select(.name == "drpc") | .version) as $version
	| (.packages[] | select(.name == "drpc") | .license) as $licence
	| ($needed | split("\n")) as $needed
	| [.packages[] | select(.source) | . + { full: "\(.name)-\(.version)" } | select(.full | IN($needed[]))] | sort_by(.full) as $crates
	| {
		spdxVersion: "SPDX-2.3",
		dataLicense: "CC0-1.0",
		SPDXID: "SPDXRef-DOCUMENT",
		name: "libdrpc-\($version)",
		documentNamespace: "https://libdrpc.example.org/spdx/libdrpc-\($version)-\($created)",
		creationInfo: { created: $created, creators: ["Organization: libdrpc developers", "Tool: libdrpc-sbom"] },
		packages: ([
			({ name: "libdrpc", SPDXID: "SPDXRef-source" }, { name: "libdrpc-0.8, libdrpc-2.8", SPDXID: "SPDXRef-libraries" },
				{ name: "drpc", SPDXID: "SPDXRef-command" }
				| . + { versionInfo: $version, licenseDeclared: $licence } | package),
			($crates[] | {
				name, SPDXID: (.full | crate_id), versionInfo: .version,
				licenseDeclared: (.license | licence),
				downloadLocation: "https://static.crates.io/crates/\(.name)/\(.full).crate",
				checksums: [{ algorithm: "SHA256", checksumValue: $sums[.full] }],
				externalRefs: [{ referenceCategory: "PACKAGE-MANAGER", referenceType: "purl",
					referenceLocator: "pkg:cargo/\(.name)@\(.version)" }]
			} | package)
		]),
		relationships: [
			("SPDXRef-DOCUMENT" | relation("DESCRIBES"; "SPDXRef-source")),
			("SPDXRef-source" | relation("GENERATES"; "SPDXRef-libraries", "SPDXRef-command")),
			("SPDXRef-source" | relation("CONTAINS"; $crates[].full | crate_id)),
			("SPDXRef-libraries" | relation("STATIC_LINK"; $libraries[] | crate_id)),
			("SPDXRef-command" | relation("STATIC_LINK"; $command[] | crate_id))
		]
	}'
