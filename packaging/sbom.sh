#!/bin/sh
# sbom.sh VERSION PACKAGES ARCHIVE... - what the program is made of, as SPDX 2.3 on standard output: each static library
# with the version of its Debian package, and what it was built and tested with. The same input gives the same bytes.
# SPDX-License-Identifier: MIT
set -eu
version=$1 list=$2
shift 2
created=$(date -u -d "@${SOURCE_DATE_EPOCH:-$(date +%s)}" +%Y-%m-%dT%H:%M:%SZ)

# "RELATION PACKAGE VERSION" for each package that is installed.
packages() {
    for archive; do
        echo "STATIC_LINK $(dpkg-query -S "$(realpath "$archive")" | cut -d: -f1)"
    done | sort -u
    sed 's/#.*//' "$list" | awk 'NF { print "BUILD_TOOL_OF", $1 }' | sort -u
}

packages "$@" | while read -r relation package; do
    found=$(dpkg-query -W -f '${Version} ${source:Package}' "$package" 2>/dev/null) || continue
    echo "$relation $package $found"
done | jq --raw-input --slurp --sort-keys --arg version "$version" --arg created "$created" '
  def id: "SPDXRef-Package-" + gsub("[^A-Za-z0-9.]"; "-");
  [split("\n")[] | select(. != "") | split(" ") |
    {relation: .[0], name: .[1], version: .[2], source: .[3]}] as $parts |
  {
    spdxVersion: "SPDX-2.3", dataLicense: "CC0-1.0", SPDXID: "SPDXRef-DOCUMENT", name: "staffetta-\($version)",
    documentNamespace: "https://spdx.org/spdxdocs/staffetta-\($version)-\($created)",
    creationInfo: {created: $created, creators: ["Tool: staffetta-sbom-\($version)"]},
    packages: ([{SPDXID: "SPDXRef-staffetta", name: "staffetta", versionInfo: $version, licenseDeclared: "MIT",
        licenseConcluded: "MIT", copyrightText: "NOASSERTION", downloadLocation: "NOASSERTION", filesAnalyzed: false}] +
      ($parts | unique_by(.name) | map({SPDXID: (.name | id), name, versionInfo: .version,
        sourceInfo: "Debian source package \(.source)", downloadLocation: "NOASSERTION", filesAnalyzed: false,
        licenseDeclared: "NOASSERTION", licenseConcluded: "NOASSERTION", copyrightText: "NOASSERTION",
        externalRefs: [{referenceCategory: "PACKAGE-MANAGER", referenceType: "purl",
          referenceLocator: "pkg:deb/debian/\(.name)@\(.version | @uri)?distro=bookworm"}]}))),
    relationships: ([{spdxElementId: "SPDXRef-DOCUMENT", relationshipType: "DESCRIBES",
        relatedSpdxElement: "SPDXRef-staffetta"}] +
      ($parts | map(if .relation == "STATIC_LINK"
        then {spdxElementId: "SPDXRef-staffetta", relationshipType: .relation, relatedSpdxElement: (.name | id)}
        else {spdxElementId: (.name | id), relationshipType: .relation, relatedSpdxElement: "SPDXRef-staffetta"} end)))
  }'
