package extract

import (
	"bytes"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"mime/quotedprintable"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/text"
)

// scripts are words of six scripts, with combining marks in and out of their
// composed forms, and sequences that make one sign of several code points.
var scripts = map[string][]string{
	"latin":      {"Cafe\u0301", "Zu\u0308rich", "Łódź", "A\u030angstro\u0308m", "tie\u0302\u0301ng", "q\u0323\u0307", "Ångström", "ﬁne"},
	"cyrillic":   {"Паро\u0301м", "ё", "и\u0306од", "Київ", "ѣ", "Щука"},
	"greek":      {"Καλημέρα", "α\u0301\u0345", "ὕδωρ", "Ω\u0342", "ς"},
	"arabic":     {"كِتَاب", "لا\u064b", "محمّد", "\u200fسلام", "می\u200cخواهم"},
	"devanagari": {"क्षत्रिय", "हिन्दी", "ज़\u093c", "क\u094d\u200dष", "श्री"},
	"han":        {"漢字", "葛\U000E0100", "か\u3099", "ガ", "𠮷野", "한글", "\u1112\u1161\u11ab"},
	"emoji":      {"👩\u200d✈️", "🏴\U000E0067\U000E0062\U000E007F", "👍🏽", "🇳🇴", "1️\u20e3", "❤️\u200d🔥"},
}

// content is a document as the test knows it.
type content struct {
	heading    string
	paragraphs []string
	items      []string
	rows       [][]string // the first names the columns
}

// strings returns all of it that every format must keep, in order.
func (c content) strings() []string {
	all := append([]string{c.heading}, c.paragraphs...)
	all = append(all, c.items...)
	for _, r := range c.rows {
		all = append(all, r...)
	}
	return all
}

func randomContent(r *rand.Rand, words []string) content {
	n := 0
	phrase := func() string {
		var out []string
		for range 1 + r.IntN(6) {
			out = append(out, words[r.IntN(len(words))])
		}
		n++
		return strings.Join(out, " ") + fmt.Sprintf(" x%d", n) // no two are equal
	}
	c := content{heading: phrase()}
	for range 1 + r.IntN(4) {
		c.paragraphs = append(c.paragraphs, phrase()+".")
	}
	for range 1 + r.IntN(3) {
		c.items = append(c.items, phrase())
	}
	for range 2 + r.IntN(3) {
		c.rows = append(c.rows, []string{phrase(), phrase(), phrase()})
	}
	return c
}

// each returns f of every string, joined.
func each(list []string, f func(string) string) string {
	var b strings.Builder
	for _, s := range list {
		b.WriteString(f(s))
	}
	return b.String()
}

// tag returns a function that puts s into an element.
func tag(name string) func(string) string {
	open, end := "<"+name+">", "</"+strings.Fields(name)[0]+">"
	return func(s string) string { return open + xmlEscape(s) + end }
}

// row returns a function that puts cells into elements, and those into one.
func rowTag(name string, cell func(string) string) func([]string) string {
	return func(cells []string) string { return "<" + name + ">" + each(cells, cell) + "</" + name + ">" }
}

func eachRow(rows [][]string, f func([]string) string) string {
	var b strings.Builder
	for _, r := range rows {
		b.WriteString(f(r))
	}
	return b.String()
}

func (c content) html() string {
	return tag("h1")(c.heading) + each(c.paragraphs, tag("p")) + "<ul>" + each(c.items, tag("li")) + "</ul><table>" +
		eachRow(c.rows[:1], rowTag("tr", tag("th"))) + eachRow(c.rows[1:], rowTag("tr", tag("td"))) + "</table>"
}

func (c content) markdown() string {
	line := func(cells []string) string { return "| " + strings.Join(cells, " | ") + " |\n" }
	return "# " + c.heading + "\n\n" + strings.Join(c.paragraphs, "\n\n") + "\n\n" + each(c.items, func(s string) string { return "- " + s + "\n" }) +
		"\n" + line(c.rows[0]) + "|---|---|---|\n" + eachRow(c.rows[1:], line)
}

func rtfEscape(s string) string {
	var b strings.Builder
	for _, u := range utf16.Encode([]rune(s)) {
		if u < 0x80 && u != '\\' && u != '{' && u != '}' {
			b.WriteByte(byte(u))
		} else {
			fmt.Fprintf(&b, "\\u%d?", int16(u))
		}
	}
	return b.String()
}

func quotedPrintable(s string) string {
	var b bytes.Buffer
	w := quotedprintable.NewWriter(&b)
	_, _ = w.Write([]byte(s))
	_ = w.Close()
	return b.String()
}

// builders make a file of each format. The data formats hold what they can.
var builders = map[string]func(testing.TB, content) []byte{
	"x.md":  func(_ testing.TB, c content) []byte { return []byte(c.markdown()) },
	"x.txt": func(_ testing.TB, c content) []byte { return []byte(strings.Join(c.strings(), "\n\n")) },
	"x.go": func(_ testing.TB, c content) []byte {
		return []byte("package x\n\n" + each(c.strings(), func(s string) string { return "// " + s + "\nvar _ = 1\n\n" }))
	},
	"x.py": func(_ testing.TB, c content) []byte {
		return []byte(each(c.strings(), func(s string) string { return "# " + s + "\n\n" }))
	},
	"x.html":   func(_ testing.TB, c content) []byte { return []byte("<!doctype html><main>" + c.html() + "</main>") },
	"x.txt.gz": func(t testing.TB, c content) []byte { return gzipped(t, []byte(strings.Join(c.strings(), "\n\n"))) },
	"x.csv": func(_ testing.TB, c content) []byte {
		var b bytes.Buffer
		w := csv.NewWriter(&b)
		_ = w.WriteAll(append([][]string{append([]string{c.heading}, c.paragraphs...), c.items}, c.rows...))
		return b.Bytes()
	},
	"x.jsonl": func(_ testing.TB, c content) []byte {
		return []byte(each(c.strings(), func(s string) string { return `{"a": "` + s + `"}` + "\n" }))
	},
	"x.json": func(_ testing.TB, c content) []byte {
		data, _ := json.Marshal(c.strings())
		return []byte(`{"list": ` + string(data) + `}`)
	},
	"x.rtf": func(_ testing.TB, c content) []byte {
		return []byte(`{\rtf1\ansi\ansicpg1252{\stylesheet{\s1 heading 1;}}\pard\s1 ` + rtfEscape(c.heading) + `\par\pard ` +
			each(c.paragraphs, func(s string) string { return rtfEscape(s) + "\\par\n" }) +
			each(c.items, func(s string) string { return `\pard\ls1{\listtext\'b7\tab}` + rtfEscape(s) + "\\par\n" }) +
			eachRow(c.rows, func(r []string) string {
				return `\trowd\pard\intbl ` + each(r, func(s string) string { return rtfEscape(s) + `\cell ` }) + "\\row\n"
			}) + `\pard }`)
	},
	"x.eml": func(_ testing.TB, c content) []byte {
		subject := "=?utf-8?B?" + base64.StdEncoding.EncodeToString([]byte(c.heading)) + "?="
		return []byte("From: a@example.org\r\nSubject: " + subject + "\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n" +
			"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + quotedPrintable(strings.Join(c.strings()[1:], "\r\n\r\n")))
	},
	"x.docx": func(t testing.TB, c content) []byte {
		p := func(s string) string { return para("", "", 0, run(xmlEscape(s))) }
		body := `<w:p><w:pPr><w:outlineLvl w:val="0"/></w:pPr>` + run(xmlEscape(c.heading)) + `</w:p>` + each(c.paragraphs, p) +
			each(c.items, func(s string) string { return para("", "1", 0, run(xmlEscape(s))) }) + `<w:tbl>` +
			eachRow(c.rows, rowTag("w:tr", func(s string) string { return `<w:tc>` + p(s) + `</w:tc>` })) + `</w:tbl>`
		return buildDOCX(t, map[string]string{"word/document.xml": docxBody(body)})
	},
	"x.pptx": func(t testing.TB, c content) []byte {
		p := func(s string) string { return slideText("", s) }
		return buildPPTX(t, nil, shape("title", p(c.heading))+shape("", each(c.paragraphs, p))+shape("body", each(c.items, p))+
			`<p:graphicFrame><a:tbl>`+eachRow(c.rows, rowTag("a:tr", func(s string) string { return `<a:tc>` + p(s) + `</a:tc>` }))+`</a:tbl></p:graphicFrame>`)
	},
	"x.xlsx": func(t testing.TB, c content) []byte {
		var b strings.Builder
		for i, s := range c.strings()[:len(c.strings())-3*len(c.rows)] {
			b.WriteString(inlineRow(2*i+1, s))
		}
		for i, r := range c.rows {
			b.WriteString(inlineRow(1000+i, r...))
		}
		return buildXLSX(t, nil, b.String())
	},
	"x.odt": func(t testing.TB, c content) []byte {
		body := `<text:h text:outline-level="1">` + xmlEscape(c.heading) + `</text:h>` + each(c.paragraphs, tag("text:p")) + `<text:list>` +
			each(c.items, func(s string) string { return `<text:list-item>` + tag("text:p")(s) + `</text:list-item>` }) + `</text:list><table:table>` +
			eachRow(c.rows, rowTag("table:table-row", func(s string) string { return `<table:table-cell>` + tag("text:p")(s) + `</table:table-cell>` })) + `</table:table>`
		return buildODF(t, odtType, "text", body, nil)
	},
	"x.ods": func(t testing.TB, c content) []byte {
		cell := func(s string) string {
			return `<table:table-cell office:value-type="string">` + tag("text:p")(s) + `</table:table-cell>`
		}
		rows := [][]string{}
		for _, s := range c.strings()[:len(c.strings())-3*len(c.rows)] {
			rows = append(rows, []string{s}, nil)
		}
		return buildODF(t, odsType, "spreadsheet", `<table:table>`+eachRow(append(rows, c.rows...), rowTag("table:table-row", cell))+`</table:table>`, nil)
	},
	"x.odp": func(t testing.TB, c content) []byte {
		frame := func(class, body string) string {
			return `<draw:frame presentation:class="` + class + `"><draw:text-box>` + body + `</draw:text-box></draw:frame>`
		}
		return buildODF(t, odpType, "presentation", `<draw:page>`+frame("title", tag("text:p")(c.heading))+frame("", each(append(c.paragraphs, c.items...), tag("text:p")))+
			`<draw:frame><table:table>`+eachRow(c.rows, rowTag("table:table-row", func(s string) string { return `<table:table-cell>` + tag("text:p")(s) + `</table:table-cell>` }))+
			`</table:table></draw:frame></draw:page>`, nil)
	},
	"x.epub": func(t testing.TB, c content) []byte { return buildEPUB(t, "", c.html()) },
}

// TestScripts builds documents of every format from text in six scripts and
// signs of several code points: the text keeps every string as it is, in
// order, and every block survives the way to code points and back.
func TestScripts(t *testing.T) {
	const documents = 8
	for name, build := range builders {
		t.Run(name[2:], func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, uint64(len(name))))
			for script, words := range scripts {
				for range documents {
					c := randomContent(r, words)
					data := build(t, c)
					doc := mustExtract(t, name, data)
					at := 0
					for _, want := range c.strings() {
						i := strings.Index(doc.Text[at:], want)
						if i < 0 {
							t.Fatalf("%s: %+q is not in the text behind byte %d:\n%s", script, want, at, doc.Text)
						}
						at += i
					}
					checkRoundTrip(t, doc)
					again := mustExtract(t, name, data)
					if diff := cmp.Diff(doc, again); diff != "" {
						t.Fatalf("a second extraction differs:\n%s", diff)
					}
				}
			}
		})
	}
}

// checkRoundTrip reports where a block does not survive the way to code points
// and back.
func checkRoundTrip(t testing.TB, doc Document) {
	t.Helper()
	index, runes := text.NewIndex(doc.Text), []rune(doc.Text)
	for i, b := range doc.Blocks {
		span, err := index.RuneSpan(b.Span)
		if err != nil {
			t.Fatalf("block %d: %v", i, err)
		}
		back, err := index.Span(span)
		if err != nil || back != b.Span {
			t.Fatalf("block %d: %v there and back is %v, error %v", i, b.Span, back, err)
		}
		if got, want := string(runes[span.Start:span.End]), doc.Text[b.Span.Start:b.Span.End]; got != want {
			t.Fatalf("block %d: code points %q, bytes %q", i, got, want)
		}
	}
}
