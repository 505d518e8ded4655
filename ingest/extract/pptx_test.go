package extract

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPPTX(t *testing.T) {
	numbered := `<a:pPr><a:buAutoNum type="arabicPeriod"/></a:pPr>`
	first := shape("", slideText("", "Before the title")) +
		shape("ctrTitle", slideText("", "The")+slideText("", "deck")) +
		shape("body", slideText("", "one")+slideText(`<a:pPr lvl="1"/>`, "one a")+slideText(`<a:pPr><a:buNone/></a:pPr>`, "plain")) +
		shape("", slideText(numbered, "first")+slideText(numbered, "second")+slideText(`<a:pPr><a:buChar char="•"/></a:pPr>`, "dot")+slideText(numbered, "again")) +
		shape("ftr", slideText("", "footer")) + shape("sldNum", slideText("", "1")) +
		`<p:grpSp>` + shape("", `<a:p><a:r><a:t>in a </a:t></a:r><a:br/><a:fld><a:t>group</a:t></a:fld></a:p>`) + `</p:grpSp>`
	second := `<p:graphicFrame><a:tbl><a:tr><a:tc><a:txBody>` + slideText("", "A") + slideText("", "a") + `</a:txBody></a:tc><a:tc/></a:tr><a:tr><a:tc>` + slideText("", " ") + `</a:tc></a:tr></a:tbl></p:graphicFrame>` +
		`<p:graphicFrame><dgm:relIds r:dm="r2"/></p:graphicFrame>` +
		`<mc:AlternateContent><mc:Choice>` + shape("", slideText("", "choice")) + `</mc:Choice><mc:Fallback>` + shape("", slideText("", "choice")) + `</mc:Fallback></mc:AlternateContent>`
	parts := map[string]string{
		"ppt/slides/_rels/slide2.xml.rels": buildRels("notesSlide", "../notesSlides/n.xml", "diagramData", "../diagrams/d.xml"),
		"ppt/notesSlides/n.xml":            slideXML(shape("sldImg", "") + shape("body", slideText("", "Say hello."))),
		"ppt/diagrams/d.xml":               `<dgm:dataModel xmlns:dgm="dgm" xmlns:a="a"><dgm:pt><dgm:t>` + slideText("", "node") + `</dgm:t></dgm:pt></dgm:dataModel>`,
	}
	doc := mustExtract(t, "x.pptx", buildPPTX(t, parts, first, second))
	want := []string{
		`heading 1 p1 "The deck"`,
		`paragraph 0 p1 "Before the title"`,
		`list_item 1 p1 "- one"`,
		`list_item 2 p1 "  - one a"`,
		`paragraph 0 p1 "plain"`,
		`list_item 1 p1 "1. first"`,
		`list_item 1 p1 "2. second"`,
		`list_item 1 p1 "- dot"`,
		`list_item 1 p1 "1. again"`,
		`paragraph 0 p1 "in a \ngroup"`,
		`table 0 p2 "A a | "`,
		`paragraph 0 p2 "node"`,
		`paragraph 0 p2 "choice"`,
		`paragraph 0 p2 "Say hello."`,
	}
	if diff := cmp.Diff(want, kindsOf(doc)); diff != "" {
		t.Errorf("blocks (-want +got):\n%s", diff)
	}
	if doc.Title != "The deck" || doc.Pages != 2 {
		t.Errorf("title %q, %d pages, want The deck and 2", doc.Title, doc.Pages)
	}
}

func FuzzPPTX(f *testing.F) {
	f.Add(shape("title", slideText("", "a"))+shape("body", slideText(`<a:pPr lvl="9"/>`, "b")), shape("", slideText("", "c")))
	f.Add(`<a:tbl><a:tr><a:tc><a:p><a:tbl/></a:p></a:tc></a:tr></a:tbl>`, `<p:graphicFrame><dgm:relIds r:dm="r1"/></p:graphicFrame>`)
	f.Fuzz(func(t *testing.T, slide, diagram string) {
		data := buildPPTX(t, map[string]string{
			"ppt/slides/_rels/slide1.xml.rels": buildRels("diagramData", "../diagrams/d.xml", "notesSlide", "slide1.xml"),
			"ppt/diagrams/d.xml":               slideXML(diagram),
		}, slide+`<p:graphicFrame><dgm:relIds r:dm="r1"/></p:graphicFrame>`)
		fuzzExtract(t, "x.pptx", pptxType, string(data))
	})
}
