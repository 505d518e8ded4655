package isolate

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ragloop/ragloop/ingest/extract"
)

// maxBombBytes is what a parser process may have held at its worst.
const maxBombBytes = 512 << 20

// A bomb is a small or middling file made to cost a great deal. Each ends with a
// reason, or with a text where its parser is not impressed, within the memory
// limit; in which time is for the limits to ensure and for -v to print.
func TestBombs(t *testing.T) {
	if raceDetector() {
		t.Skip("the race detector takes more memory than the limits allow")
	}
	const any = "any"
	for _, b := range []struct {
		name string
		data func() []byte
		ends string // reason, "" for a text, or any
	}{
		{"flat.docx", flatZip("word/document.xml", wordHead, "a", 4000, 4000<<20), "archive_bomb"}, // 4 GiB in 4 MB
		{"flat.odt", flatZip("content.xml", odtHead, "a", 4000, 4000<<20), "archive_bomb"},
		{"liar.docx", flatZip("word/document.xml", wordHead, "</w:t><w:t>", 200, 1000), any}, // says that it is small
		{"liar.odt", flatZip("content.xml", odtHead, "<text:s/>", 200, 1000), any},
		{"flat.txt.gz", gzipBomb(1, "a"), any},
		{"nested.txt.gz", gzipBomb(2, "a"), any},
		{"nested.zip", nestedZip, any},
		{"nested.docx", nestedZip, any},
		{"entries.docx", manyEntries(500_000), "archive_bomb"},
		{"entries.epub", manyEntries(500_000), any},
		{"laughs.docx", docx(laughs + "<w:document><w:body><w:p><w:r><w:t>&i;</w:t></w:r></w:p></w:body></w:document>"), any},
		{"laughs.html", text(laughs + "<html><body>&i;</body></html>"), any},
		{"deep.docx", docx(wordHead + strings.Repeat("<w:p>", 1_000_000)), any},
		{"tables.docx", docx(wordHead + strings.Repeat("<w:tbl><w:tr><w:tc>", 2000)), any},
		{"lists.docx", docx(wordHead + repeat(2000, func(i int) string {
			return fmt.Sprintf(`<w:p><w:pPr><w:numPr><w:ilvl w:val="%d"/><w:numId w:val="1"/></w:numPr></w:pPr><w:r><w:t>item</w:t></w:r></w:p>`, i)
		}) + wordTail), any},
		{"deep.html", text("<html><body>" + strings.Repeat("<div>", 1_000_000) + "text"), any},
		{"lists.html", text("<html><body>" + strings.Repeat("<ul><li>item ", 2000)), any},
		{"tables.html", text("<html><body>" + strings.Repeat("<table><tr><td>cell ", 2000)), any},
		{"formatting.html", text("<html><body>" + strings.Repeat("<a href=x><b><i><font><nobr>x<p>", 10_000)), any},
		{"attributes.html", text("<html><body " + repeat(100_000, func(i int) string { return fmt.Sprintf("a%d=1 ", i) }) + ">text"), any},
		{"span.html", text(`<html><body><table>` + strings.Repeat(`<tr><td colspan=1000 rowspan=65534>x</td></tr>`, 2000)), any},
		{"lists.md", text(repeat(2000, func(i int) string { return strings.Repeat(" ", 2*i) + "- item\n" })), any},
		{"emphasis.md", text(strings.Repeat("*a_ ", 40_000)), any},
		{"quotes.md", text(strings.Repeat(">", 200_000) + " text"), any},
		{"links.md", text(strings.Repeat("[", 200_000) + "text"), any},
		{"references.md", text("[a]: " + strings.Repeat("x", 100_000) + "\n\n" + strings.Repeat("[a]", 100_000)), any},
		{"deep.json", text(strings.Repeat("[", 1_000_000)), any},
		{"deep.jsonl", text(strings.Repeat(`{"a":`, 1_000_000) + "\n"), any},
		{"quote.csv", text(`a,b` + "\n" + `"` + strings.Repeat("x,", 8<<20)), any},
		{"columns.csv", text(strings.Repeat(",", 5<<20) + "\n" + strings.Repeat("a\n", 1000)), any},
		{"groups.rtf", text(`{\rtf1 ` + strings.Repeat("{", 1_000_000) + "text"), any},
		{"binary.rtf", text(`{\rtf1 \bin2147483647 text}`), any},
		{"parts.eml", text("From: a@b\nMIME-Version: 1.0\n" + repeat(5000, func(i int) string {
			return fmt.Sprintf("Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i)
		}) + "\ntext"), any},
		{"headers.eml", text("From: a@b\n" + strings.Repeat("X-A: =?utf-8?q?"+strings.Repeat("=41", 200)+"?=\n", 20_000) + "\ntext"), any},
		{"repeated.ods", zipOf("mimetype", "application/vnd.oasis.opendocument.spreadsheet", "content.xml", odsRepeated), any},
		{"spaces.odt", zipOf("mimetype", "application/vnd.oasis.opendocument.text", "content.xml",
			odtHead+`text<text:s text:c="2000000000"/></text:p></office:text></office:body></office:document-content>`), any},
		{"strings.xlsx", zipOf("[Content_Types].xml", "<Types/>", "xl/workbook.xml", sheetBook, "xl/_rels/workbook.xml.rels", sheetRels,
			"xl/worksheets/sheet1.xml", `<worksheet><sheetData><row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData></worksheet>`), any},
		{"spine.epub", zipOf("mimetype", "application/epub+zip", "META-INF/container.xml",
			`<container><rootfiles><rootfile full-path="o.opf"/></rootfiles></container>`, "o.opf",
			`<package><manifest><item id="a" href="a.xhtml" media-type="application/xhtml+xml"/></manifest><spine>`+strings.Repeat(`<itemref idref="a"/>`, 200_000)+`</spine></package>`,
			"a.xhtml", "<html><body>"+strings.Repeat("<p>text</p>", 2000)+"</body></html>"), any},
		{"kids.pdf", pdf("<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[2 0 R 2 0 R]/Count 2>>"), any},
		{"parents.pdf", pdf("<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>", "<</Type/Pages/Parent 2 0 R/Kids[2 0 R]/Count 1>>"), any},
		{"length.pdf", pdf("<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
			"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R>>", "<</Length 4 0 R>>\nstream\nBT ET\nendstream"), any},
		{"form.pdf", pdf("<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
			"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R/Resources<</XObject<</F 5 0 R>>>>>>",
			"<</Length 11>>\nstream\n/F Do /F Do\nendstream",
			"<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</F 5 0 R>>>>/Length 11>>\nstream\n/F Do /F Do\nendstream"), any},
		{"reference.pdf", pdf("2 0 R", "3 0 R", "1 0 R"), any},
		{"count.pdf", pdf("<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[]/Count 2000000000>>"), any},
		{"arrays.pdf", pdf("<</Type/Catalog/Pages 2 0 R>>", strings.Repeat("[", 2_000_000)), any},
		{"dictionaries.pdf", pdf("<</Type/Catalog/Pages 2 0 R>>", strings.Repeat("<</A", 1_000_000)), any},
		{"flate.pdf", pdf("<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
			"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R>>", flateStream("0 0 Td ", 256<<20)), any},
		{"filters.pdf", pdf("<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
			"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R>>",
			"<</Length 9/Filter["+strings.Repeat("/ASCIIHexDecode", 100_000)+"]>>\nstream\n414141414\nendstream"), any},
		{"operands.pdf", pdf("<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
			"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R>>", flateStream("[", 16<<20)), any},
	} {
		t.Run(b.name, func(t *testing.T) {
			in := extract.Input{Name: b.name, Data: b.data()}
			p := pool(t, Options{Workers: 1})
			peak, ended := 0, 0
			start := p.start
			p.start = func() (*process, error) {
				proc, err := start()
				if err == nil {
					proc.onEnd = func(s *os.ProcessState) { peak, ended = max(peak, peakBytes(s)), ended+1 }
				}
				return proc, err
			}
			began := time.Now()
			doc, err := p.Extract(t.Context(), in)
			took := time.Since(began)
			// What the system reports of an ended process includes what this
			// one held when it started it: better ask while it is alive.
			deaths, held := ended, peak
			for _, proc := range p.idle {
				held = max(held, residentPeak(proc.cmd.Process.Pid))
			}
			p.Close()
			if held == 0 {
				held = peak
			}
			reason := string(extract.ReasonOf(err))
			if err != nil && reason == "" || b.ends != any && reason != b.ends {
				t.Errorf("error %v with reason %q, want %q", err, reason, b.ends)
			}
			if err == nil {
				reason = "text"
				if problem := breach(doc); problem != "" {
					t.Error(problem)
				}
			}
			if held > maxBombBytes {
				t.Errorf("a process held %d MiB, the limit is %d", held>>20, maxBombBytes>>20)
			}
			t.Logf("%-18s %9d bytes  %6.2f s  %4d MiB  %s (%d deaths)", b.name, len(in.Data), took.Seconds(), held>>20, reason, deaths)
			if reason == "timeout" || reason == "memory" || reason == "crash" {
				t.Log(err)
			}
		})
	}
}

const (
	wordHead = `<?xml version="1.0"?><w:document xmlns:w="w"><w:body><w:p><w:r><w:t>`
	wordTail = `</w:t></w:r></w:p></w:body></w:document>`
	odtHead  = `<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:body><office:text><text:p>`

	odsRepeated = `<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0">` +
		`<office:body><office:spreadsheet><table:table table:name="A"><table:table-row table:number-rows-repeated="1048576"><table:table-cell table:number-columns-repeated="16384"><text:p>x</text:p></table:table-cell></table:table-row></table:table></office:spreadsheet></office:body></office:document-content>`

	sheetBook = `<workbook xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="A" sheetId="1" r:id="r1"/></sheets></workbook>`
	sheetRels = `<Relationships><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>`
)

// laughs is a document type whose entity i stands for a billion words.
var laughs = `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "lol">` + repeat(8, func(i int) string {
	return fmt.Sprintf(`<!ENTITY %c "%s">`, 'b'+i, strings.Repeat(fmt.Sprintf("&%c;", 'a'+i), 10))
}) + "]>"

func repeat(n int, f func(int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(f(i))
	}
	return b.String()
}

func text(s string) func() []byte { return func() []byte { return []byte(s) } }

// zipOf returns an archive of names and contents.
func zipOf(parts ...string) func() []byte {
	return func() []byte {
		var out bytes.Buffer
		w := zip.NewWriter(&out)
		for i := 0; i < len(parts); i += 2 {
			f, err := w.Create(parts[i])
			if err == nil {
				_, err = io.WriteString(f, parts[i+1])
			}
			if err != nil {
				panic(err)
			}
		}
		if err := w.Close(); err != nil {
			panic(err)
		}
		return out.Bytes()
	}
}

func docx(document string) func() []byte {
	return zipOf("[Content_Types].xml", "<Types/>", "word/document.xml", document)
}

// deflated returns head and mib MiB of unit, compressed: 16 MiB once, their
// compressed form again and again.
func deflated(head, unit string, mib int) []byte {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		panic(err)
	}
	io.WriteString(w, head)
	w.Flush()
	piece := bytes.Repeat([]byte(unit), 1<<20/len(unit))
	w.Write(piece)
	w.Flush()
	begin := out.Len()
	for range min(mib, 16) {
		w.Write(piece)
	}
	w.Flush()
	compressed := slices.Clone(out.Bytes()[begin:])
	for i := 16; i < mib; i += 16 {
		out.Write(compressed)
	}
	out.Write([]byte{1, 0, 0, 0xff, 0xff}) // an empty last block
	return out.Bytes()
}

// flatZip is a package with one part of so many MiB, which says that it unpacks
// to size bytes.
func flatZip(name, head, unit string, mib int, size uint64) func() []byte {
	return func() []byte {
		data := deflated(head, unit, mib)
		var out bytes.Buffer
		w := zip.NewWriter(&out)
		f, err := w.Create("[Content_Types].xml")
		if err == nil {
			_, err = io.WriteString(f, "<Types/>")
		}
		if err == nil && strings.HasSuffix(name, "content.xml") {
			f, err = w.CreateRaw(&zip.FileHeader{Name: "mimetype"})
		}
		if err != nil {
			panic(err)
		}
		f, err = w.CreateRaw(&zip.FileHeader{Name: name, Method: zip.Deflate, CompressedSize64: uint64(len(data)), UncompressedSize64: size})
		if err == nil {
			_, err = f.Write(data)
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			panic(err)
		}
		return out.Bytes()
	}
}

// gzipBomb compresses 1 GB once, or its compressed form again.
func gzipBomb(levels int, unit string) func() []byte {
	return func() []byte {
		data := append([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"), deflated("", unit, 1000)...)
		data = append(data, make([]byte, 8)...)
		for range levels - 1 {
			var out bytes.Buffer
			w := gzip.NewWriter(&out)
			w.Write(data)
			w.Close()
			data = out.Bytes()
		}
		return data
	}
}

// nestedZip holds sixteen archives that hold sixteen each, five deep, of a part
// of 1 MiB.
func nestedZip() []byte {
	data := bytes.Repeat([]byte("0"), 1<<20)
	name := "word/document.xml"
	for range 5 {
		var out bytes.Buffer
		w := zip.NewWriter(&out)
		for i := range 16 {
			f, err := w.Create(fmt.Sprintf("%d/%s", i, name))
			if i == 0 {
				f, err = w.Create(name)
			}
			if err != nil {
				panic(err)
			}
			f.Write(data)
		}
		w.Close()
		data = out.Bytes()
	}
	return data
}

// manyEntries is an archive of n empty parts.
func manyEntries(n int) func() []byte {
	return func() []byte {
		var local, central []byte
		le := binary.LittleEndian
		for i := range n {
			name := fmt.Sprintf("p%06d.xml", i)
			at := uint32(len(local))
			local = append(local, "PK\x03\x04\x14\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
			local = append(local, make([]byte, 12)...)
			local = append(local, byte(len(name)), 0, 0, 0)
			local = append(local, name...)
			central = append(central, "PK\x01\x02\x14\x00\x14\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
			central = append(central, make([]byte, 12)...)
			central = append(central, byte(len(name)), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
			central = le.AppendUint32(central, at)
			central = append(central, name...)
		}
		out := append(local, central...)
		// Zip64: more entries than the old record counts.
		end := uint64(len(out))
		out = append(out, "PK\x06\x06"...)
		out = le.AppendUint64(out, 44)
		out = append(out, 45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0)
		out = le.AppendUint64(out, uint64(n))
		out = le.AppendUint64(out, uint64(n))
		out = le.AppendUint64(out, uint64(len(central)))
		out = le.AppendUint64(out, uint64(len(local)))
		out = append(out, "PK\x06\x07\x00\x00\x00\x00"...)
		out = le.AppendUint64(out, end)
		out = append(out, 1, 0, 0, 0)
		out = append(out, "PK\x05\x06\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00"...)
		return out
	}
}

// pdf returns a file of the given objects, numbered from 1; the first is its
// catalogue.
func pdf(objects ...string) func() []byte {
	return func() []byte {
		var b bytes.Buffer
		b.WriteString("%PDF-1.4\n")
		offsets := make([]int, len(objects))
		for i, o := range objects {
			offsets[i] = b.Len()
			fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
		}
		xref := b.Len()
		fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
		for _, at := range offsets {
			fmt.Fprintf(&b, "%010d 00000 n \n", at)
		}
		fmt.Fprintf(&b, "trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, xref)
		return b.Bytes()
	}
}

// flateStream is a content stream that unpacks to size bytes of unit.
func flateStream(unit string, size int) string {
	data := append([]byte{0x78, 0x9c}, deflated("", unit, size>>20)...)
	data = binary.BigEndian.AppendUint32(data, crc32.ChecksumIEEE(nil)) // wrong, and found out at the end only
	return fmt.Sprintf("<</Length %d/Filter/FlateDecode>>\nstream\n%s\nendstream", len(data), data)
}
