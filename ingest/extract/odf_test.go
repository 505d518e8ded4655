package extract

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestODT(t *testing.T) {
	body := `<text:tracked-changes><text:p>deleted</text:p></text:tracked-changes>` +
		`<text:p text:style-name="P1">The <text:span>manual</text:span></text:p>` +
		`<text:h text:outline-level="2">Part<text:line-break/>one</text:h>` +
		"<text:p>a \n  <text:span> b</text:span><text:s text:c=\"3\"/>c<text:tab/>d<office:annotation><text:p>comment</text:p></office:annotation>" +
		`<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>The note.</text:p></text:note-body></text:note></text:p>` +
		`<text:list text:style-name="L1"><text:list-item><text:p>one</text:p><text:p>more</text:p><text:list><text:list-item><text:p>sub</text:p></text:list-item></text:list></text:list-item>` +
		`<text:list-header><text:p>headless</text:p></text:list-header><text:list-item><text:p>two</text:p></text:list-item></text:list>` +
		`<text:p><draw:frame><draw:text-box><text:p>boxed</text:p></draw:text-box><svg:desc>a picture</svg:desc></draw:frame>anchor<text:soft-page-break/></text:p>` +
		`<table:table><table:table-row><table:table-cell><text:p>A</text:p><text:p>b</text:p></table:table-cell><table:covered-table-cell/><table:table-cell><table:table><table:table-row><table:table-cell><text:p>in</text:p></table:table-cell></table:table-row></table:table></table:table-cell></table:table-row></table:table>` +
		`<text:list text:style-name="L1"><text:list-item><text:h text:outline-level="1">Numbered</text:h></text:list-item></text:list><text:p/>`
	more := map[string]string{
		"meta.xml": `<office:document-meta xmlns:office="o" xmlns:dc="d" xmlns:meta="m"><office:meta><meta:initial-creator>Ana</meta:initial-creator><dc:creator>Ola</dc:creator>` +
			`<dc:date>2025-03-02T10:00:00.5</dc:date><meta:creation-date>2025-03-01</meta:creation-date><meta:user-defined meta:name="Checked" meta:value-type="boolean">true</meta:user-defined>` +
			`<meta:user-defined meta:name="Hours" meta:value-type="float">2.5</meta:user-defined><meta:user-defined meta:name="tenant">x</meta:user-defined></office:meta></office:document-meta>`,
	}
	doc := mustExtract(t, "x.odt", buildODF(t, odtType, `text text:use-soft-page-breaks="true"`, body, more))
	want := []string{
		`heading 1 p1 "The manual"`,
		`heading 2 p1 "Part one"`,
		`paragraph 0 p1 "a b   c\td"`,
		`list_item 1 p1 "1. one\n  more"`,
		`list_item 2 p1 "  (c) sub"`,
		`list_item 1 p1 "headless"`,
		`list_item 1 p1 "2. two"`,
		`paragraph 0 p1 "anchor"`,
		`paragraph 0 p2 "boxed"`,
		`table 0 p2 "A b |  | in"`,
		`heading 1 p2 "Numbered"`,
		`paragraph 0 p2 "The note."`,
	}
	if diff := cmp.Diff(want, kindsOf(doc)); diff != "" {
		t.Errorf("blocks (-want +got):\n%s", diff)
	}
	if doc.Title != "The manual" || doc.Pages != 2 {
		t.Errorf("title %q, %d pages, want The manual and 2", doc.Title, doc.Pages)
	}
	wantMeta(t, doc, `Checked bool "true"`, `Hours float "2.5"`, `author strings "Ana, Ola"`, `created time "2025-03-01T00:00:00Z"`, `modified time "2025-03-02T10:00:00.5Z"`)
	if len(doc.Warnings) != 1 {
		t.Errorf("warnings %q, want one of the reserved name", doc.Warnings)
	}
}

func FuzzODF(f *testing.F) {
	f.Add("text", `<text:h text:outline-level="9">a</text:h><text:list><text:list-item><text:p>b<text:s text:c="9"/></text:p></text:list-item></text:list>`)
	f.Add("spreadsheet", `<table:table table:name="s"><table:table-row table:number-rows-repeated="3"><table:table-cell office:value-type="date" office:date-value="2025-01-01T00:00:00"/></table:table-row></table:table>`)
	f.Add("presentation", `<draw:page><draw:frame presentation:class="title"><text:p>a</text:p></draw:frame><presentation:notes><text:p>b</text:p></presentation:notes></draw:page>`)
	f.Fuzz(func(t *testing.T, kind, body string) {
		types := map[string]string{"text": odtType, "spreadsheet": odsType, "presentation": odpType}
		if types[kind] == "" {
			return
		}
		fuzzExtract(t, "x.odt", types[kind], string(buildODF(t, types[kind], kind, body, nil)))
	})
}
