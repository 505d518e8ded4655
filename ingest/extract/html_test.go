package extract

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

func extractString(t testing.TB, name, data string) Document {
	t.Helper()
	doc, err := Extract(t.Context(), Input{Name: name, Data: []byte(data)})
	if err != nil {
		t.Fatal(err)
	}
	checkDocument(t, doc)
	return doc
}

func TestHTMLRendering(t *testing.T) {
	tests := []struct{ name, html, want string }{
		{"white space", "<p> a\n\n  b<b> c</b><i>d </i> e </p>", "a b cd e"},
		{"inline elements join", "<p>un<b>believ</b>able, <code>x_y*z</code></p>", "unbelievable, x_y*z"},
		{"invisible characters", "<p>hy\u00adphen a\u200bb c\u00a0d</p>", "hyphen ab c d"},
		{"breaks", "<p>a<br>b<br><br>c</p>", "a\nb\n\nc"},
		{"blocks in blocks", "<div>a<div><p>b</p></div>c</div>", "a\n\nb\n\nc"},
		{"heading with a break", "<h2>a<br>b</h2><p>c", "## a b\n\nc"},
		{"empty blocks", "<p></p><ul><li></li></ul><h1> </h1><pre>\n</pre><p>a</p>", "a"},
		{"loose list", "<ul><li><p>a</p><p>b</p></li><li>c</li></ul><p>d</p>", "- a\n  b\n- c\n\nd"},
		{"list without list", "<li>a<li>b", "- a\n- b"},
		{"heading in an item", "<ul><li><h3>a</h3>b</li></ul>", "### a\n  b"},
		{"code in an item", "<ul><li>a<pre>x\n y</pre>b</li></ul>", "- a\n\n  ```\n  x\n   y\n  ```\n  b"},
		{"quoted heading", "<blockquote><h2>a</h2><p>b</blockquote>", "> a\n\n> b"},
		{"one column is no table", "<table><tr><td>a</td></tr><tr><td>b</td></tr></table>", "a\n\nb"},
		{"table without header", "<table><tr><td>a<td>b<tr><td>c<td>d</table>", "| a | b |\n| c | d |"},
		{"table with row header", "<table><tr><th>a</th><td>b</td></tr><tr><th>c</th><td>d</td></tr></table>", "| a | b |\n| c | d |"},
		{"nested table lays out", "<table><tr><td>a</td><td><table><tr><td>b</td><td>c</td></tr></table></td></tr></table>", "a\n\n| b | c |"},
		{"spans are bounded", `<table><tr><td colspan="-1" rowspan="0">a</td><td colspan="x">b</td></tr></table>`, "| a | b |"},
		{"scripts and styles", "a<script>b</script><style>c</style><noscript>d</noscript><template>e</template>", "a"},
		{"page frame", "<header><a>logo</a></header><nav>menu</nav>text<footer>foot</footer><aside>side</aside><div role=navigation>nav</div>", "text"},
		{"header with the heading", "<header><h1>Title</h1></header><p>text</p>", "# Title\n\ntext"},
		{"heading outside main", "<h1>Title</h1><main><p>text</p></main>", "# Title\n\ntext"},
		{"empty main", "<main></main><p>text</p>", "text"},
		{"void elements and entities", "a&amp;b &lt;c&gt; &eacute;<hr>d", "a&b <c> é\n\nd"},
	}
	for _, tt := range tests {
		doc := extractString(t, tt.name+".html", "<html><body>"+tt.html+"</body></html>")
		if doc.Text != tt.want {
			t.Errorf("%s: text of %q is %q, want %q", tt.name, tt.html, doc.Text, tt.want)
		}
	}
}

func TestHTMLTitle(t *testing.T) {
	tests := []struct{ name, html, want string }{
		{"title", "<title> A\n page </title><p>x", "A page"},
		{"heading", "<h1>A <i>heading</i></h1>", "A heading"},
		{"title with site", "<title>Heading - Site</title><h1>Heading</h1>", "Heading"},
		{"title that differs", "<title>Title</title><h1>Heading</h1>", "Title"},
		{"title of a drawing", "<svg><title>Icon</title></svg><h1>Heading</h1>", "Heading"},
		{"none", "<p>x", ""},
	}
	for _, tt := range tests {
		if doc := extractString(t, "x.html", "<html>"+tt.html); doc.Title != tt.want {
			t.Errorf("%s: title %q, want %q", tt.name, doc.Title, tt.want)
		}
	}
}

// TestReadabilityKeepsEnough gives a documentation page of many short sections,
// of which readability keeps one: the whole body must come back.
func TestReadabilityKeepsEnough(t *testing.T) {
	var b strings.Builder
	b.WriteString("<html><body><div class=menu><a href=/>Home</a></div>")
	for i := range 40 {
		fmt.Fprintf(&b, "<div class=entry><h2>Option %d</h2><p>Sets option %d.</p></div>", i, i)
	}
	b.WriteString("<div class=entry><h2>Notes</h2>")
	for range 4 {
		b.WriteString("<p>A long paragraph of running text, with commas, which readability likes best, and which is why it takes it for the article, all by itself.</p>")
	}
	b.WriteString("</div></body></html>")
	doc := extractString(t, "options.html", b.String())
	for i := range 40 {
		if want := fmt.Sprintf("## Option %d\n\nSets option %d.", i, i); !strings.Contains(doc.Text, want) {
			t.Fatalf("the text lacks %q", want)
		}
	}
}

func TestReadabilityIsBounded(t *testing.T) {
	page := "<html><body>" + strings.Repeat("<table><tr><td>", 100) + strings.Repeat("some text ", maxReadabilityWork/3000) + "</body>"
	if doc := extractString(t, "x.html", page); !strings.HasPrefix(doc.Text, "some text") {
		t.Errorf("text begins %.20q", doc.Text)
	}
	root, err := html.Parse(strings.NewReader("<body>ab<p>c</body>"))
	if err != nil {
		t.Fatal(err)
	}
	// Each name and text times its depth: html 1*4, head and body 2*4, ab 3*2, p 3*1, c 4*1.
	if got, want := readabilityWork(root), 4+8+8+6+3+4; got != want {
		t.Errorf("work %d, want %d", got, want)
	}
}

func TestLongFence(t *testing.T) {
	ticks := strings.Repeat("`", 50_000)
	if doc := extractString(t, "x.html", "<html><pre>"+ticks+"</pre>"); doc.Text != ticks+"`\n"+ticks+"\n"+ticks+"`" {
		t.Errorf("text of %d bytes, want the code between longer fences", len(doc.Text))
	}
}

func TestDeepHTML(t *testing.T) {
	page := "<!DOCTYPE html><script>x</script><nav>menu</nav><h2>Heading</h2>" + strings.Repeat("<div>", 2000) +
		"deep &amp; <b>text</b><br>more" + strings.Repeat("</div>", 2000) + "<ul><li>item</ul>"
	doc := extractString(t, "deep.html", page)
	if want := "## Heading\n\ndeep & text\nmore\n\nitem"; doc.Text != want {
		t.Errorf("text %q, want %q", doc.Text, want)
	}
	if len(doc.Warnings) != 1 || doc.Blocks[0].Kind != Heading {
		t.Errorf("warnings %q, first block %v, want one warning and a heading", doc.Warnings, doc.Blocks[0])
	}
}

func FuzzHTML(f *testing.F) {
	f.Add("<html><h1>a</h1><ul><li>b<ol><li>c</ol></ul><table><tr><td rowspan=3>d<td>e</table><pre>f</pre>")
	f.Add("<table><tr><th colspan=9>x<td><table><caption>y</table></table><blockquote><li><h2>z<br><img alt=w>")
	f.Add("<dl><dt>a<dd>b<main><article><header>c</header></article></main>")
	f.Fuzz(func(t *testing.T, s string) {
		fuzzExtract(t, "x.html", "text/html", s)
	})
}

// fuzzExtract checks that extraction fails, without a panic, or keeps its
// promises.
func fuzzExtract(t *testing.T, name, mediaType, data string) {
	t.Helper()
	doc, err := extract(t.Context(), Input{Name: name, MediaType: mediaType, Data: []byte(data)})
	if err == nil {
		checkDocument(t, doc)
	}
}
