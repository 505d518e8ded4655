#!/bin/sh
# Rebuilds the PDF and DOCX documents of the demo corpus from the sources beside
# this script. Usage: ./build.sh [DIR], where DIR (default ../corpus) receives
# them. Needs pdflatex, pandoc, and libreoffice (writer), see README.md.
#
# The label program has to run afterwards: line breaks, and with them offsets,
# depend on the versions of these tools.
set -eu
cd "$(dirname "$0")"
out=${1:-../corpus}
export SOURCE_DATE_EPOCH=1735689600 FORCE_SOURCE_DATE=1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# tex NAME DEST: two passes, for the references.
tex() {
	for _ in 1 2; do
		pdflatex -interaction=nonstopmode -halt-on-error -output-directory="$tmp" "$1.tex" >"$tmp/log" ||
			{ cat "$tmp/log" >&2; exit 1; }
	done
	cp "$tmp/$1.pdf" "$out/$2"
}

# office NAME DEST: pandoc writes an OpenDocument text with page numbers, the
# office suite the PDF.
office() {
	pandoc -o "$tmp/$1.odt" "$1.md"
	soffice --headless "-env:UserInstallation=file://$tmp/profile" --convert-to pdf --outdir "$tmp" "$tmp/$1.odt" >/dev/null
	cp "$tmp/$1.pdf" "$out/$2"
}

tex network-operating-manual operations/network-operating-manual.pdf
tex water-quality-specification operations/water-quality-specification.pdf
tex vx-4410-datasheet products/vx-4410-datasheet.pdf
office information-security policies/information-security.pdf
office pipit-datasheet products/pipit-datasheet.pdf

pandoc -o "$out/policies/data-retention.docx" data-retention.md
pandoc -o "$out/policies/parental-leave-us-2025.docx" parental-leave-us-2025.md
# This one passes through the office suite, whose DOCX differs from pandoc's.
pandoc -o "$tmp/brindle-commissioning-checklist.odt" brindle-commissioning-checklist.md
soffice --headless "-env:UserInstallation=file://$tmp/profile" --convert-to docx --outdir "$tmp" "$tmp/brindle-commissioning-checklist.odt" >/dev/null
cp "$tmp/brindle-commissioning-checklist.docx" "$out/products/"
