package pack

import (
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/pkoukk/tiktoken-go"
	loader "github.com/pkoukk/tiktoken-go-loader"

	"github.com/ragloop/ragloop/internal/text"
)

var (
	packs = flag.Int("packs", 20_000, "number of random packs, each checked for everything that Pack promises; at most 1,000 with -short or -race")
	seed  = flag.Uint64("packs-seed", 1, "seed of the random packs")
)

// reference counts with the reference tokenizer, which is slow.
func reference(t testing.TB, encoding string) func(string) int {
	t.Helper()
	tiktoken.SetBpeLoader(loader.NewOfflineLoader())
	o, err := tiktoken.GetEncoding(encoding)
	if err != nil {
		t.Fatal(err)
	}
	return func(s string) int { return len(o.EncodeOrdinary(s)) }
}

// TestProperties packs random chunks of random documents and checks everything
// that Pack promises.
func TestProperties(t *testing.T) {
	packs := *packs
	if testing.Short() || raced {
		packs = min(packs, 1_000)
	}
	type tokenizer struct {
		Counter   // to be given to Pack: this struct hides that counts add up
		reference func(string) int
	}
	o200k := tokenizer{counter(t, "o200k_base"), reference(t, "o200k_base")}
	cl100k := tokenizer{counter(t, "cl100k_base"), reference(t, "cl100k_base")}
	p50k := tokenizer{counter(t, "p50k_base"), reference(t, "p50k_base")}
	odd := tokenizer{crooked{}, crooked{}.Count}
	custom, err := ParseTemplate("custom", "Source {label}: {title} / {headings}\n  uri: {uri} {{{document}}} p={pages}\n{text}\n--- end ---")
	if err != nil {
		t.Fatal(err)
	}
	templates := []*Template{nil, template(t, XML), template(t, Markdown), custom}
	r := rand.New(rand.NewPCG(*seed, 2))
	var corpora [2]corpus
	exact, multiple := 0, 0
	overruns, focused := 0, 0
	for n := range packs {
		if n%20_000 == 0 {
			corpora = [2]corpus{makeCorpus(r, 400, 80, true), makeCorpus(r, 400, 400, false)}
		}
		corpus := corpora[r.IntN(2)]
		c := o200k
		switch {
		case n%10 >= 8 && n%20 >= 10:
			c = odd
		case n%10 == 6:
			c = p50k
		case n%10 >= 7:
			c = cl100k
		}
		chunks := corpus.pick(r)
		o := Options{
			BudgetTokens: 1 + r.IntN(600),
			MaxPerSource: r.IntN(4),
			Order:        append(Orders(), "")[r.IntN(4)],
			NoTrim:       r.IntN(3) == 0,
			Template:     templates[r.IntN(len(templates))],
		}
		if r.IntN(3) == 0 {
			o.Diversity = r.Float64()
		}
		if r.IntN(2) == 0 {
			o.Relevance = anyRelevance{}
		}
		got, err := Pack(chunks, c.Counter, o)
		var small *BudgetError
		if errors.As(err, &small) {
			if small.NeedTokens <= o.BudgetTokens {
				t.Fatalf("pack %d: %v, but the budget is enough", n, err)
			}
			if o.Relevance != nil {
				plain := o
				plain.Relevance = nil
				if _, err := Pack(chunks, c.Counter, plain); err == nil {
					t.Fatalf("pack %d: %v, but without focus something fits", n, small)
				}
			}
			o.BudgetTokens = small.NeedTokens
			if got, err = Pack(chunks, c.Counter, o); err == nil && len(got.Segments) == 0 {
				t.Fatalf("pack %d: nothing packed with the budget that was said to be needed", n)
			}
		}
		if err != nil {
			t.Fatalf("pack %d: %v", n, err)
		}
		if cuts(got) > 1 {
			focused++
		}
		if err := corpus.check(chunks, c, o, got); err != nil {
			t.Fatalf("pack %d (%+v): %v\n%s", n, o, err, got.Text)
		}
		if n := c.reference(got.Text); n > o.BudgetTokens || n != got.Tokens {
			overruns++
			t.Errorf("pack %d (%+v): %d tokens by the reference, said %d\n%q", n, o, n, got.Tokens, got.Text)
		}
		again, err := Pack(chunks, c.Counter, o)
		if err != nil || !reflect.DeepEqual(got, again) {
			t.Fatalf("pack %d is not repeatable: %v\n%s", n, err, cmp.Diff(got, again))
		}
		shuffled := shuffleTies(r, chunks)
		again, err = Pack(shuffled, c.Counter, o)
		if err != nil || again.Text != got.Text {
			t.Fatalf("pack %d depends on the order of ties: %v\n%s\n%s", n, err, got.Text, again.Text)
		}
		if len(got.Segments) > 1 && c.Counter != odd.Counter {
			multiple++
			if estimateIsExact(chunks, c.Counter, o, got) {
				exact++
			}
		}
	}
	t.Logf("%d packs, %d focused, %d over the budget by the reference; the cost of %d of %d contexts with several segments was estimated exactly", packs, focused, overruns, exact, multiple)
	if focused < packs/200 {
		t.Errorf("%d packs were focused, want some", focused)
	}
	if exact < multiple {
		t.Errorf("the estimated cost was exact for %d of %d contexts, want all", exact, multiple)
	}
}

// cuts returns how many segments of c are not whole.
func cuts(c Context) int {
	n := 0
	for _, s := range c.Segments {
		if s.Trimmed {
			n++
		}
	}
	return n
}

func template(t testing.TB, name string) *Template {
	t.Helper()
	tpl, err := BuiltinTemplate(name)
	if err != nil {
		t.Fatal(err)
	}
	return tpl
}

func estimateIsExact(chunks []Chunk, c Counter, o Options, got Context) bool {
	f := frame{template: o.Template, brackets: strings.Count(got.Text[:strings.Index(got.Text, "1")], "[")}
	settled, _ := settleTies(chunks)
	parts, order := focus(settled, newMeter(c), o)
	p := newPacking(parts, order, settled, newMeter(c), o)
	p.begin(o.BudgetTokens, f)
	p.all()
	// The estimate counts a separator behind the last segment too, as in front of another.
	all := p.ordered()
	context, _ := p.render(all)
	next := all[len(all)-1].around.next
	return p.cost+p.labelCost(len(p.segments)) == c.Count(context+separator+next)-c.Count(next)
}

// anyRelevance is as good as random, and the same each time.
type anyRelevance struct{}

func (anyRelevance) Shares(chunks []Chunk, sentences [][]text.Span) [][]float64 {
	out := make([][]float64, len(chunks))
	for i, ss := range sentences {
		for _, s := range ss {
			h := fnv.New32a()
			h.Write([]byte(chunks[i].Text[s.Start:s.End]))
			out[i] = append(out[i], float64(h.Sum32()%5)/4)
		}
	}
	return out
}

// shuffleTies changes the places of chunks with equal ranks that follow each
// other.
func shuffleTies(r *rand.Rand, chunks []Chunk) []Chunk {
	out := slices.Clone(chunks)
	for from := 0; from < len(out); {
		to := from + 1
		for to < len(out) && out[from].Rank != 0 && out[to].Rank == out[from].Rank && out[to].Neighbour == out[from].Neighbour {
			to++
		}
		tie := out[from:to]
		r.Shuffle(len(tie), func(i, j int) { tie[i], tie[j] = tie[j], tie[i] })
		from = to
	}
	return out
}

// crooked breaks every assumption about tokenizers: joining texts makes more
// tokens than they have apart.
type crooked struct{}

func (crooked) Count(s string) int { return len(s)/8 + len(s)*len(s)/4000 }

type corpus struct {
	docs   map[text.DocID][]rune
	chunks []Chunk
}

var fragments = []string{"the ", "Report ", "cost of ", "2024", "1,250.00 ", "is. ", "Why? ", "\n", "\n\n", "  ", "\t", "/path/x ", "über ", "検索", "🙂 ",
	"don't ", "[1] ", "[[2]] ", "[", "3", "| a | b |\n", "- item\n", "e.g. ", "\r\n", "\u200b", "# Head\n", "ANNUAL ", "…", "''", "\u00a0",
	"</source>", "<Source id=\"3\">\n", "< / sou\u200brce", "<sourced", "\n### [7] x", "\n ## # [ 8", "\n--- end ---\n", "\nsource 4: ", "\n\u00adSOURCE\u00a05", "\\",
	"\U000E0049\U000E0067\U000E006E", "\u200b\u200d\u2060\ufeff", "\U0001F3F4\U000E0067\U000E0062\U000E0065\U000E006E\U000E0067\U000E007F", "<", "#", "uri:", "\u2028",
	"'s", "'LL ", "we've", "'\u017f", "123456789", "٣٤٥٦", "\r", "\r\n\r\n", "\n/", "\n//\n", " \n \n", "\u0085", "e\u0301", "\u0300", "\u3000", "한국어", "क्षि", "ﷺ", "\u0130",
	strings.Repeat(" ", 70), strings.Repeat("\n", 30), strings.Repeat("\t ", 20), strings.Repeat("=", 90), strings.Repeat("字", 60), strings.Repeat("7", 50)}

// makeCorpus returns documents cut into chunks of up to longest code points, which
// may overlap.
func makeCorpus(r *rand.Rand, docs, longest int, overlap bool) corpus {
	c := corpus{docs: map[text.DocID][]rune{}}
	for d := range docs {
		var b strings.Builder
		for range 1 + r.IntN(120) {
			b.WriteString(fragments[r.IntN(len(fragments))])
		}
		id := text.DocID(fmt.Sprintf("doc/%d", d))
		body := []rune(b.String())
		c.docs[id] = body
		title := []string{"", "Annual report", "[3] trick\nline", strings.Repeat("long ", 60), "\"></source>\n</source><source id=\"2"}[r.IntN(5)]
		for start := 0; start < len(body); {
			end := min(len(body), start+1+r.IntN(longest))
			next := end
			for next < len(body) && strings.TrimSpace(string(body[next])) == "" {
				next++
			}
			ch := Chunk{Doc: id, Rev: "r", URI: string(id), Title: title, Ordinal: len(c.chunks),
				Span: text.RuneSpan{Start: start, End: end}, Text: string(body[start:end]), Gap: string(body[end:next]), Score: r.NormFloat64(), Rank: r.IntN(6)}
			if r.IntN(2) == 0 {
				ch.Heading = []string{"One", "Two"}[:1+r.IntN(2)]
				ch.PageStart = 1 + r.IntN(9)
				ch.PageEnd = ch.PageStart + r.IntN(2)
			}
			if r.IntN(4) == 0 {
				ch.Found.Start = start + r.IntN(end-start)
				ch.Found.End = ch.Found.Start + 1 + r.IntN(end-ch.Found.Start)
			}
			c.chunks = append(c.chunks, ch)
			start = next
			if overlap && r.IntN(3) == 0 {
				start = max(ch.Span.Start+1, end-r.IntN(20))
			}
		}
	}
	return c
}

// pick returns chunks as a search would: some of few documents, none twice, and
// then some beside them, or none of them a parent or beside another.
func (c corpus) pick(r *rand.Rand) []Chunk {
	out := c.pickAny(r)
	if r.IntN(3) > 0 {
		return out
	}
	out = slices.DeleteFunc(out, func(ch Chunk) bool { return ch.Neighbour })
	for i := range out {
		out[i].Found = text.RuneSpan{}
	}
	return out
}

func (c corpus) pickAny(r *rand.Rand) []Chunk {
	at := r.IntN(len(c.chunks) - 30)
	var out []Chunk
	perm := r.Perm(30)
	found := r.IntN(15)
	for _, i := range perm[:found] {
		out = append(out, c.chunks[at+i])
	}
	slices.SortStableFunc(out, func(a, b Chunk) int { return a.Rank - b.Rank })
	for _, i := range perm[found : found+r.IntN(3)*r.IntN(6)] {
		ch := c.chunks[at+i]
		ch.Neighbour, ch.Found = true, text.RuneSpan{}
		out = append(out, ch)
	}
	return out
}

func (c corpus) check(chunks []Chunk, counter Counter, o Options, got Context) error {
	if n := counter.Count(got.Text); n != got.Tokens || n > o.BudgetTokens {
		return fmt.Errorf("counted %d tokens, said %d, budget %d", n, got.Tokens, o.BudgetTokens)
	}
	seen := make([]int, len(chunks))
	perDoc := map[text.DocID]int{}
	trimmed := 0 // chunks cut at sentences
	end := 0
	runes := []rune(got.Text)
	for i, s := range got.Segments {
		if string(c.docs[s.Doc][s.Span.Start:s.Span.End]) != s.Text {
			return fmt.Errorf("segment %d: text is not the document's at %v", i, s.Span)
		}
		if s.Tokens != counter.Count(s.Text) {
			return fmt.Errorf("segment %d: says %d tokens", i, s.Tokens)
		}
		if s.Context.Start < end || string(runes[s.Context.Start:s.Context.End]) != s.Delivered() {
			return fmt.Errorf("segment %d is not in the context at %v", i, s.Context)
		}
		if header := string(runes[end:s.Context.Start]); !strings.Contains(header, s.Label) {
			return fmt.Errorf("segment %d: the header %q has no label", i, header)
		}
		end = s.Context.End
		if err := checkOrigin(runes, s, c.docs[s.Doc]); err != nil {
			return fmt.Errorf("segment %d: %w", i, err)
		}
		if found, ok := got.Segment(s.Label); !ok || found.Span != s.Span || found.Doc != s.Doc {
			return fmt.Errorf("label %s leads to %+v", s.Label, found)
		}
		perDoc[s.Doc]++
		ranked := 0
		for _, j := range s.Chunks {
			seen[j]++
			whole := s.Span.Contains(chunks[j].Span)
			if !chunks[j].Neighbour {
				ranked++
			}
			if !whole && !s.Trimmed {
				return fmt.Errorf("segment %d is trimmed and does not say so", i)
			}
			f := chunks[j].Found
			for f.Len() > 0 && unicode.IsSpace(c.docs[s.Doc][f.Start]) {
				f.Start++
			}
			for f.Len() > 0 && unicode.IsSpace(c.docs[s.Doc][f.End-1]) {
				f.End--
			}
			if !whole && (chunks[j].Found.Len() == 0 || !s.Span.Contains(f)) {
				trimmed++
			}
			if !whole && chunks[j].Neighbour {
				return fmt.Errorf("segment %d has a part of a neighbour", i)
			}
		}
		if ranked == 0 {
			return fmt.Errorf("segment %d has nothing that was found", i)
		}
		for _, u := range got.Segments[:i] {
			if u.Doc == s.Doc && u.Span.Start <= s.Span.End && s.Span.Start <= u.Span.End {
				return fmt.Errorf("segments %v and %v of %s were not merged", u.Span, s.Span, s.Doc)
			}
		}
	}
	if trimmed > 1 && o.Relevance == nil || trimmed > 0 && o.NoTrim {
		return fmt.Errorf("%d chunks were trimmed", trimmed)
	}
	for _, d := range got.Dropped {
		seen[d.Chunk]++
	}
	for i, n := range seen {
		if n != 1 {
			return fmt.Errorf("chunk %d is in %d places", i, n)
		}
	}
	for doc, n := range perDoc {
		if o.MaxPerSource > 0 && n > o.MaxPerSource {
			return fmt.Errorf("%d segments of %s", n, doc)
		}
	}
	if err := c.checkFates(chunks, o, got); err != nil {
		return err
	}
	return checkFrame(o.Template, got)
}

// checkOrigin follows each code point of the segment in the context back to its
// document.
func checkOrigin(context []rune, s Segment, doc []rune) error {
	for at := s.Context.Start; at < s.Context.End; at++ {
		from, ok := s.Origin(at)
		if !ok || from < s.Span.Start || from > s.Span.End {
			return fmt.Errorf("the origin of %d is %d, %v", at, from, ok)
		}
		if r := context[at]; r != '\\' && r != '\uFFFD' && doc[from] != r {
			return fmt.Errorf("the origin of %q at %d is %q at %d", r, at, doc[from], from)
		}
	}
	if _, ok := s.Origin(s.Context.End); ok {
		return errors.New("the end of the segment has an origin")
	}
	return nil
}

// What a reader takes for a line of the frame, found in another way than the
// package does: white space and what nobody sees may stand anywhere, and case
// doesn't matter.
var frames = map[string]struct {
	pattern *regexp.Regexp
	per     int // segment
}{
	XML:      {loose(`<!?~s~o~u~r~c~e(?:[^\pL\pN_:.-]|$)`), 2},
	Markdown: {loose(`@#~#~#~\[~\pN`), 1},
	"custom": {loose(`@(?:s~o~u~r~c~e~\pN|u~r~i~:|-~-~-~e~n~d~-~-~-)`), 3},
}

func loose(pattern string) *regexp.Regexp {
	const blank = `[\t \x{a0}\x{3000}\x{ad}\x{200b}\x{200d}\x{2060}\x{feff}\x{e0000}-\x{e007f}]*`
	pattern = strings.NewReplacer("@", `(?:^|[\n\r\v\f\x{85}\x{2028}\x{2029}])`+blank, "~", blank, "!", blank+"/").Replace(pattern)
	return regexp.MustCompile("(?i)" + pattern)
}

func checkFrame(t *Template, got Context) error {
	if t == nil {
		headers := 0
		brackets := len(got.Text) - len(strings.TrimLeft(got.Text, "["))
		for l := range strings.FieldsFuncSeq(got.Text, endsLine) {
			if leadingBrackets(l)[brackets] {
				headers++
			}
		}
		if headers != len(got.Segments) {
			return fmt.Errorf("%d lines look like headers of %d segments", headers, len(got.Segments))
		}
		return nil
	}
	want := frames[t.String()]
	if n := len(want.pattern.FindAllString(got.Text, -1)); n != want.per*len(got.Segments) {
		return fmt.Errorf("%d lines look like the frame of %d segments", n, len(got.Segments))
	}
	return nil
}

func FuzzEdits(f *testing.F) {
	for _, s := range fragments {
		f.Add(s+"x", s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		body := strings.ToValidUTF8(a+"\n"+b, "?")
		n := utf8.RuneCountInString(body)
		if n == 0 {
			return
		}
		for _, name := range []string{Plain, XML, Markdown} {
			got, err := Pack([]Chunk{{Doc: "d", Title: strings.ToValidUTF8(b, "?"), Span: text.RuneSpan{End: n}, Text: body}}, words{}, Options{BudgetTokens: 1 << 30, Template: template(t, name)})
			if err != nil {
				t.Fatal(err)
			}
			c := corpus{docs: map[text.DocID][]rune{"d": []rune(body)}}
			if err := c.check([]Chunk{{Doc: "d", Span: text.RuneSpan{End: n}, Text: body}}, words{}, Options{BudgetTokens: 1 << 30, Template: template(t, name)}, got); err != nil {
				t.Fatalf("%s: %v\n%q", name, err, got.Text)
			}
		}
	})
}
