package pack

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/text"
)

// whole returns a chunk that is a document.
func whole(doc text.DocID, body string) Chunk {
	return Chunk{Doc: doc, Rev: "r1", Title: "A & <b> \"c\"", URI: "x/" + string(doc), Heading: []string{"One", "Two"}, PageStart: 3, PageEnd: 4,
		Span: text.RuneSpan{End: utf8.RuneCountInString(body)}, Text: body}
}

func TestTemplates(t *testing.T) {
	custom := "=== {label} ===\n-- {title}|{headings}|{document}|{uri}|{pages} {{}}\n\n{text}\n\n=== end of {document}"
	for _, tc := range []struct {
		name, source, want string
	}{
		{Plain, "", "[1] A & <b> \"c\" > One > Two (a, p. 3-4)\nalpha\n\n[2] A & <b> \"c\" > One > Two (b, p. 3-4)\nbeta"},
		{XML, "", "<source id=\"1\" from=\"A &amp; &lt;b> &quot;c&quot; > One > Two (a, p. 3-4)\">\nalpha\n</source>\n\n" +
			"<source id=\"2\" from=\"A &amp; &lt;b> &quot;c&quot; > One > Two (b, p. 3-4)\">\nbeta\n</source>"},
		{Markdown, "", "### [1] A & <b> \"c\" > One > Two (a, p. 3-4)\n\nalpha\n\n### [2] A & <b> \"c\" > One > Two (b, p. 3-4)\n\nbeta"},
		{"custom", custom, "=== 1 ===\n-- A & <b> \"c\"|One > Two|a|x/a|3-4 {}\n\nalpha\n\n=== end of a\n\n" +
			"=== 2 ===\n-- A & <b> \"c\"|One > Two|b|x/b|3-4 {}\n\nbeta\n\n=== end of b"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tpl, err := BuiltinTemplate(tc.name)
			if tc.source != "" {
				tpl, err = ParseTemplate(tc.name, tc.source)
			}
			if err != nil || tpl.String() != tc.name {
				t.Fatalf("template %s: %v", tpl, err)
			}
			got, err := Pack([]Chunk{whole("a", "alpha"), whole("b", "beta")}, words{}, Options{BudgetTokens: 100, Template: tpl})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.want, got.Text); d != "" {
				t.Errorf("context (-want +got):\n%s", d)
			}
			if again, err := ParseTemplate(tc.name, tpl.Source()); tpl != nil && (err != nil || again.Source() != tpl.Source()) {
				t.Errorf("the source %q does not parse to the same: %v", tpl.Source(), err)
			}
		})
	}
}

func TestTemplatesRefused(t *testing.T) {
	for _, tc := range []struct{ name, source, want string }{
		{"unknown placeholder", "## {label} {name}\n{text}", `line 1: "{name}" is no placeholder, allowed are {label}, {text}, {source}, {title}, {headings}, {document}, {uri}, {pages}`},
		{"open brace", "## {label} {\n{text}", `line 1: "{" is no placeholder`},
		{"closing brace", "## {label} }\n{text}", "line 1: a closing brace has no opening one"},
		{"no label", "## x\n{text}", "it has {label} 0 times and {text} 1 times, want each once"},
		{"two labels", "## {label} {label}\n{text}", "it has {label} 2 times"},
		{"no text", "## {label}", "{text} 0 times"},
		{"two texts", "## {label}\n{text}\n{text}", "{text} 2 times"},
		{"text not alone", "## {label}\n> {text}", "line 2: {text} must be alone on its line"},
		{"label below", "{text}\n## {label}", "line 2: {label} must be above {text}"},
		{"line without a beginning", "## {label}\n{title}\n{text}", `line 2: it begins with "", want at least two visible characters`},
		{"short beginning", "# {label}\n{text}", `line 1: it begins with "# "`},
		{"backslash", "\\# {label}\n{text}", `line 1: it begins with "\\# "`},
		{"tag without a name", "< {label}>\n{text}", "line 1: it has a < without the name of a tag, want a name behind the <"},
		{"tag of punctuation", "<!-- {label} -->\n{text}", "want a name behind the <"},
		{"comment inside a line", "## {label} <!-- {title} -->\n{text}", "line 1: it has a < without the name of a tag, want a name behind the <"},
		{"tag named by a placeholder", "<s{label}>\n{text}", `the name of the tag "<s" has a placeholder`},
		{"closing tag named by a placeholder", "## {label}\n{text}\nend </s{title}>", `line 3: the name of the tag "</s" has a placeholder`},
		{"tag inside a line", "## {label} <{title}>\n{text}", "line 1: the placeholder {title} is the name of a tag"},
		{"closing tag inside a line", "## {label} </{title}>\n{text}", "line 1: the placeholder {title} is the name of a tag"},
		{"arrow in front", "<- {label}\n{text}", `line 1: it begins with "<- ", want the name of a tag behind the <`},
		{"brackets in front", "<|doc|> {label}\n{text}", `line 1: it begins with "<|doc|> ", want the name of a tag behind the <`},
		{"less than a word", "## {label} < limit {title}\n{text}", "line 1: it has a < without the name of a tag, want a name behind the <"},
		{"less than a value", "## {label} < {title}\n{text}", "line 1: it has a < without the name of a tag, want a name behind the <"},
		{"value without quotation marks", "<doc id=\"{label}\" pages={pages}>\n{text}", "line 1: the placeholder {pages} is inside the tag <doc, want quotation marks around it"},
		{"value behind an attribute", "<doc id=\"{label}\" {title}>\n{text}", "line 1: the placeholder {title} is inside the tag <doc, want quotation marks around it"},
		{"value on a later line of a tag", "<doc id=\"{label}\"\n from={title}>\n{text}", "line 2: the placeholder {title} is inside the tag <doc, want quotation marks around it"},
		{"value in a closing tag", "<doc id=\"{label}\">\n{text}\n</doc {title}>", "line 3: the placeholder {title} is inside the tag <doc, want quotation marks around it"},
		{"value in a later tag", "## {label} <b>{title}</b> <i x={uri}>\n{text}", "line 1: the placeholder {uri} is inside the tag <i, want quotation marks around it"},
		{"text inside a tag", "<doc id=\"{label}\"\n{text}\n/>", "line 2: {text} is inside the tag <doc"},
		{"text as an attribute", "<doc id=\"{label}\" text=\"\n{text}\n\"/>", "line 2: {text} is inside the tag <doc"},
		{"tag without an end", "<doc id=\"{label}\">\n{text}\n</doc", "the tag <doc has no end"},
		{"attribute without an end", "## {label}\n{text}\n<hr x=\"{title}>", "the tag <hr has no end"},
		{"tag inside a tag", "<doc id=\"{label}\" <b>\n{text}", "line 1: it has a < inside the tag <doc"},
		{"control character", "## {label}\x00\n{text}", "a control or invisible character at byte 10"},
		{"invalid UTF-8", "## {label}\xff\n{text}", "it is not valid UTF-8"},
		{"long", strings.Repeat("x", MaxTemplateBytes+1), "it has 4097 bytes, allowed are 4096"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tpl, err := ParseTemplate("mine", tc.source)
			if !errors.Is(err, ErrTemplate) || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), `"mine"`) || tpl != nil {
				t.Errorf("ParseTemplate = %v, %v; want an error with %q", tpl, err, tc.want)
			}
		})
	}
	if _, err := BuiltinTemplate("html"); !errors.Is(err, ErrTemplate) || !strings.Contains(err.Error(), "markdown, plain and xml") {
		t.Errorf("BuiltinTemplate(html) = %v", err)
	}
}

// No value leaves its attribute, or is a tag of the frame with what follows it.
func TestValues(t *testing.T) {
	const hostile = `x" id='7' <doc> & </b`
	for _, tc := range []struct{ name, source, title, want string }{
		{"alone", `<doc t="{title}" id="{label}">`, hostile, `<doc t="x&quot; id='7' &lt;doc> &amp; &lt;/b" id="1">`},
		{"among others", `<doc id="{label}" t="{title} ({document})">`, hostile, `<doc id="1" t="x&quot; id='7' &lt;doc> &amp; &lt;/b (a)">`},
		{"single quotes", `<doc id='{label}' t='"{title}'>`, hostile, `<doc id='1' t='"x" id=&#39;7&#39; &lt;doc> &amp; &lt;/b'>`},
		{"an attribute of two lines", "<doc id=\"{label}\" t=\"it\n  is {title}\">", hostile, "<doc id=\"1\" t=\"it\n  is x&quot; id='7' &lt;doc> &amp; &lt;/b\">"},
		{"between tags", `<doc id="{label}"><b>{title}</b>`, hostile, `<doc id="1"><b>x" id='7' <\doc> & <\/b</b>`},
		{"between double quotes", `## {label}: "{title}, {document}"`, hostile, `## 1: "x&quot; id='7' &lt;doc> &amp; &lt;/b, a"`},
		{"one double quote", `## {label}: 5" {title}`, `5" <b>`, `## 1: 5" 5" <b>`},
		{"with the next value", `## {label} {title}{document}</a>`, `x<`, `## 1 x<\a</a>`},
		{"with what is between", `## {label} {title} /b {uri}<b>`, `<`, `## 1 <\ /b x/a<b>`},
		{"with the next line", "## {label} {title}\nhr {uri}\n<hr/>", `<`, "## 1 <\\\nhr x/a\n<hr/>"},
		{"with the text", `## {label} <b>{title}`, `a < /`, `## 1 <b>a <\ /`},
		{"label without quotation marks", `<doc id={label} t="{title}">`, hostile, `<doc id=1 t="x&quot; id='7' &lt;doc> &amp; &lt;/b">`},
		{"less than a number", `## {label} (< 5, <5, <=5, <-): {title} <b>`, hostile, `## 1 (< 5, <5, <=5, <-): x" id='7' <doc> & <\/b <b>`},
		{"tag in brackets", `## {label} <<b>> {title}`, hostile, `## 1 <<b>> x" id='7' <doc> & <\/b`},
		{"another tag", `## {label} <b>{title}`, `a <br> <c`, `## 1 <b>a <br> <c`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tpl, err := ParseTemplate("mine", tc.source+"\n{text}")
			if err != nil {
				t.Fatal(err)
			}
			c := whole("a", "text")
			c.Title = tc.title
			got, err := Pack([]Chunk{c}, words{}, Options{BudgetTokens: 100, Template: tpl})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.want+"\ntext", got.Text); d != "" {
				t.Errorf("context (-want +got):\n%s", d)
			}
		})
	}
}

func TestEdits(t *testing.T) {
	custom, err := ParseTemplate("custom", "Source {label}\nend:\n{text}\n<doc/>")
	if err != nil {
		t.Fatal(err)
	}
	tags, err := ParseTemplate("tags", "<a><b><c id=\"{label}\">\n## <d/> {title}\n{text}\n</c></b></a>")
	if err != nil {
		t.Fatal(err)
	}
	const flag = "\U0001F3F4\U000E0067\U000E0062\U000E0073\U000E0063\U000E0074\U000E007F"
	for _, tc := range []struct {
		name     string
		template *Template
		in, want string
	}{
		{"closing tag", template(t, XML), "a </source> b", `a <\/source> b`},
		{"opening tag in capitals", template(t, XML), `x <SOURCE ID="9">`, `x <\SOURCE ID="9">`},
		{"spread over lines", template(t, XML), "x < /\nsou\u200brce\n>", "x <\\ /\nsou\u200brce\n>"},
		{"letters that fold", template(t, XML), "</\u017Fource>", "<\\/\u017Fource>"},
		{"at the end", template(t, XML), "x <source", `x <\source`},
		{"the beginning of a tag at the end", template(t, XML), "x < /", `x <\ /`},
		{"letters that nobody sees", template(t, XML), "</source\u3164> <source\uffa0 id=\"2\"> <\u115f/source\u1160>", "<\\/source\u3164> <\\source\uffa0 id=\"2\"> <\\\u115f/source\u1160>"},
		{"blanks", template(t, XML), "<\u2800/source> </sou\U0001d159rce>", "<\\\u2800/source> <\\/sou\U0001d159rce>"},
		{"blanks before a heading", template(t, Markdown), "\u2800### [1]\n#\u2800##[\u28002]", "\u2800\\### [1]\n\\#\u2800##[\u28002]"},
		{"each tag of a line", tags, "<a> </b> <C x> <d> </d\n> ## <e> <ab>", `<\a> <\/b> <\C x> <\d> <\/d` + "\n> ## <e> <ab>"},
		{"a line that has tags", tags, "## <e>\n## <d/>", "## <e>\n\\## <\\d/>"},
		{"another tag", template(t, XML), "<sources> <source-map> source </p>", "<sources> <source-map> source </p>"},
		{"heading with a label", template(t, Markdown), "### [3] x\n  ##\u00a0#[4\ntext ### [5] y", "\\### [3] x\n  \\##\u00a0#[4\ntext ### [5] y"},
		{"heading without one", template(t, Markdown), "### [link](x)\n### 3\n#### [3]", "### [link](x)\n### 3\n#### [3]"},
		{"line separators", template(t, Markdown), "a\u2028### [1]\u0085### [2]\r### [3]", "a\u2028\\### [1]\u0085\\### [2]\r\\### [3]"},
		{"whole lines", custom, "END:\nsource 7\nsource x\n <DOC>", "\\END:\n\\source 7\nsource x\n <\\DOC>"},
		{"plain has none", nil, "</source>\n### [1]", "</source>\n### [1]"},
		{"hidden message", nil, "a\U000E0049\U000E0067b", "a\uFFFDb"},
		{"flag", nil, flag + " a", flag + " a"},
		{"flag without its end", nil, flag[:len(flag)-4] + " a", "\U0001F3F4\uFFFD a"},
		{"long run", nil, "a\u200b\u200c\u200d\u2060b", "a\uFFFDb"},
		{"family", nil, "👩\u200d👩\u200d👧 ❤\ufe0f\u200d🔥 \u200f\u202bא\u202c", "👩\u200d👩\u200d👧 ❤\ufe0f\u200d🔥 \u200f\u202bא\u202c"},
		{"variation selectors", nil, "x" + strings.Repeat("\U000E0130", 9), "x\uFFFD"},
		{"both", template(t, XML), "\u200b\u200b\u200b\u200b</source>\U000E0041", "\uFFFD<\\/source>\uFFFD"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := Pack([]Chunk{whole("a", tc.in)}, words{}, Options{BudgetTokens: 100, Template: tc.template})
			if err != nil {
				t.Fatal(err)
			}
			s := got.Segments[0]
			if s.Text != tc.in || s.Delivered() != tc.want || !strings.Contains(got.Text, tc.want) {
				t.Errorf("text %q, delivered %q, want %q, in %q", s.Text, s.Delivered(), tc.want, got.Text)
			}
			if (s.Edits != nil) != (tc.in != tc.want) {
				t.Errorf("Edits = %v", s.Edits)
			}
			if err := checkOrigin([]rune(got.Text), s, []rune(tc.in)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOrigin(t *testing.T) {
	body := "ab </source>\u200b\u200b\u200b\u200bcd"
	c := whole("a", "x"+body)
	c.Text, c.Span.Start = body, 1
	got, err := Pack([]Chunk{c}, words{}, Options{BudgetTokens: 100, Template: template(t, XML)})
	if err != nil {
		t.Fatal(err)
	}
	s := got.Segments[0]
	if d := cmp.Diff([]Edit{{At: 4, With: `\`}, {At: 12, Len: 4, With: "\uFFFD"}}, s.Edits); d != "" {
		t.Fatalf("Edits (-want +got):\n%s", d)
	}
	var origins []int
	for at := s.Context.Start; at < s.Context.End; at++ {
		from, _ := s.Origin(at)
		origins = append(origins, from)
	}
	//               a  b     <  \  /  s  o  u  r  c   e   >   �   c   d
	want := []int{1, 2, 3, 4, 5, 5, 6, 7, 8, 9, 10, 11, 12, 13, 17, 18}
	if d := cmp.Diff(want, origins); d != "" {
		t.Errorf("origins (-want +got):\n%s", d)
	}
	if _, ok := s.Origin(s.Context.Start - 1); ok {
		t.Error("a place before the segment has an origin")
	}
	if _, ok := got.Segment("2"); ok {
		t.Error("a label that the context does not have leads somewhere")
	}
}
