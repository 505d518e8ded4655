package extract

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"maps"
	"strings"
	"testing"
)

const relationshipTypes = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"

// buildRels returns a relationships part: pairs of kind and target, r1 the
// first.
func buildRels(pairs ...string) string {
	var b strings.Builder
	b.WriteString(`<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">`)
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(&b, `<Relationship Id="r%d" Type="%s%s" Target="%s"/>`, i/2+1, relationshipTypes, pairs[i], pairs[i+1])
	}
	return b.String() + `</Relationships>`
}

// buildXLSX returns a workbook of sheets, each the content of its sheetData,
// with more parts.
func buildXLSX(t testing.TB, more map[string]string, sheets ...string) []byte {
	t.Helper()
	var book strings.Builder
	rels := []string{}
	all := map[string]string{"_rels/.rels": buildRels("officeDocument", "xl/workbook.xml")}
	for i, s := range sheets {
		fmt.Fprintf(&book, `<sheet name="Sheet%d" sheetId="%d" r:id="r%d"/>`, i+1, i+1, i+1)
		rels = append(rels, "worksheet", fmt.Sprintf("worksheets/sheet%d.xml", i+1))
		all[fmt.Sprintf("xl/worksheets/sheet%d.xml", i+1)] = `<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>` + s + `</sheetData></worksheet>`
	}
	all["xl/workbook.xml"] = `<workbook xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>` + book.String() + `</sheets></workbook>`
	all["xl/_rels/workbook.xml.rels"] = buildRels(append(rels, "sharedStrings", "sharedStrings.xml", "styles", "styles.xml")...)
	maps.Copy(all, more)
	return buildZip(t, all)
}

// inlineRow returns a row of cells that hold strings, numbered from 1.
func inlineRow(n int, cells ...string) string {
	var b strings.Builder
	for i, s := range cells {
		if s != "" {
			fmt.Fprintf(&b, `<c r="%c%d" t="inlineStr"><is><t>%s</t></is></c>`, 'A'+i, n, xmlEscape(s))
		}
	}
	return fmt.Sprintf(`<row r="%d">%s</row>`, n, b.String())
}

var xmlEscape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace

// buildPPTX returns a presentation of slides, each the content of its shape
// tree, with more parts.
func buildPPTX(t testing.TB, more map[string]string, slides ...string) []byte {
	t.Helper()
	var list strings.Builder
	var rels []string
	all := map[string]string{"_rels/.rels": buildRels("officeDocument", "ppt/presentation.xml")}
	for i, s := range slides {
		fmt.Fprintf(&list, `<p:sldId id="%d" r:id="r%d"/>`, 256+i, i+1)
		rels = append(rels, "slide", fmt.Sprintf("slides/slide%d.xml", i+1))
		all[fmt.Sprintf("ppt/slides/slide%d.xml", i+1)] = slideXML(s)
	}
	all["ppt/presentation.xml"] = `<p:presentation xmlns:p="p" xmlns:r="` + strings.TrimSuffix(relationshipTypes, "/") + `"><p:sldIdLst>` + list.String() + `</p:sldIdLst></p:presentation>`
	all["ppt/_rels/presentation.xml.rels"] = buildRels(rels...)
	maps.Copy(all, more)
	return buildZip(t, all)
}

func slideXML(content string) string {
	return `<p:sld xmlns:p="p" xmlns:a="a" xmlns:r="r" xmlns:dgm="dgm" xmlns:mc="mc"><p:cSld><p:spTree>` + content + `</p:spTree></p:cSld></p:sld>`
}

// shape returns a shape that fills a placeholder, "" for none, with paragraphs
// of DrawingML.
func shape(placeholder, paragraphs string) string {
	ph := ""
	if placeholder != "" {
		ph = `<p:ph type="` + placeholder + `"/>`
	}
	return `<p:sp><p:nvSpPr><p:nvPr>` + ph + `</p:nvPr></p:nvSpPr><p:txBody>` + paragraphs + `</p:txBody></p:sp>`
}

// slideText returns a paragraph of DrawingML.
func slideText(properties, s string) string {
	return `<a:p>` + properties + `<a:r><a:t>` + xmlEscape(s) + `</a:t></a:r></a:p>`
}

// buildODF returns an OpenDocument file with a body of the kind given, which
// may have attributes.
func buildODF(t testing.TB, mediaType, kind, body string, more map[string]string) []byte {
	t.Helper()
	all := map[string]string{
		"mimetype": mediaType,
		"content.xml": `<office:document-content xmlns:office="office" xmlns:text="text" xmlns:table="table" xmlns:style="style" xmlns:draw="draw" xmlns:presentation="presentation" xmlns:svg="svg">` +
			`<office:automatic-styles><style:style style:name="P1" style:family="paragraph" style:parent-style-name="Title"/>` +
			`<text:list-style style:name="L1"><text:list-level-style-number text:level="1" style:num-format="1" style:num-suffix="."/><text:list-level-style-number text:level="2" style:num-format="a" style:num-prefix="(" style:num-suffix=")" text:start-value="3"/></text:list-style></office:automatic-styles>` +
			`<office:body><office:` + kind + `>` + body + `</office:` + strings.Fields(kind)[0] + `></office:body></office:document-content>`,
	}
	maps.Copy(all, more)
	return buildZip(t, all)
}

// buildEPUB returns a book of chapters, each the content of its body.
func buildEPUB(t testing.TB, metadata string, chapters ...string) []byte {
	t.Helper()
	var items, spine strings.Builder
	all := map[string]string{
		"mimetype":               epubType,
		"META-INF/container.xml": `<container><rootfiles><rootfile full-path="OPS/book.opf"/></rootfiles></container>`,
	}
	for i, c := range chapters {
		fmt.Fprintf(&items, `<item id="c%d" href="text/c%d.xhtml" media-type="application/xhtml+xml"/>`, i, i)
		fmt.Fprintf(&spine, `<itemref idref="c%d"/>`, i)
		all[fmt.Sprintf("OPS/text/c%d.xhtml", i)] = `<?xml version="1.0"?><!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head><body>` + c + `</body></html>`
	}
	all["OPS/book.opf"] = `<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">` + metadata + `</metadata><manifest>` + items.String() + `</manifest><spine>` + spine.String() + `</spine></package>`
	return buildZip(t, all)
}

// gzipped returns data compressed.
func gzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// kindsOf returns the blocks of doc as "kind level page text", without the
// white space behind.
func kindsOf(doc Document) []string {
	var out []string
	for _, b := range doc.Blocks {
		out = append(out, fmt.Sprintf("%s %d p%d %q", b.Kind, b.Level, b.Page, strings.TrimRight(doc.Text[b.Span.Start:b.Span.End], "\n")))
	}
	return out
}

// mustExtract returns the document of data.
func mustExtract(t testing.TB, name string, data []byte) Document {
	t.Helper()
	doc, err := Extract(t.Context(), Input{Name: name, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	checkDocument(t, doc)
	return doc
}
