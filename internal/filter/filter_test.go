package filter

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/meta"
)

func TestParse(t *testing.T) {
	for in, want := range map[string]string{
		`tags=policy AND year>=2024`: `tags=policy AND year>=2024`,
		`a=1 or b=2 and not c=3`:     `a=1 OR (b=2 AND NOT c=3)`,
		`(a=1 OR b=2) AND c=3`:       `(a=1 OR b=2) AND c=3`,
		`((a == "x"))`:               `a=x`,
		`tags=2024`:                  `tags="2024"`,
		`tags IN (a, 'b c', "d\"e")`: `tags IN (a, "b c", "d\"e")`,
		`exists meta.tags`:           `EXISTS meta.tags`,
		`meta."a b"!=true`:           `meta."a b"!=true`,
		`meta.meta.x=1`:              `meta."meta.x"=1`,
		`modified>=2026-05-31 AND at<2026-05-31T14:00:00+02:00`: `modified>=2026-05-31 AND at<2026-05-31T12:00:00Z`,
		`version=1.2.3 AND n=-0 AND m=1e20 AND f=.5`:            `version="1.2.3" AND n=0 AND m=1e+20 AND f=0.5`,
		`not not größe = "größe\n\u0007"`:                       `NOT NOT meta."größe"="größe\n\u0007"`,
		`doc=guides/a.md`:                                       `doc="guides/a.md"`,
	} {
		e, err := Parse(in)
		if err != nil || e.String() != want {
			t.Errorf("Parse(%s) = %s, %v, want %s", in, e, err, want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for in, want := range map[string]string{
		"":                                     "the end where a field should be named: tags, acl, doc, media_type, modified or a key of metadata, at character 1",
		"tags=a b=c":                           `"b" where the filter should end or go on with AND or OR, at character 8`,
		"year>>2024":                           `">" where > needs a value, at character 6`,
		"(a=1":                                 `the end where ")" is missing, for the one at character 1`,
		"a":                                    "the end where a is to be compared",
		"a!b":                                  `"!" alone`,
		`a="x`:                                 "a string that is not closed, at character 3",
		`a="\x"`:                               "not an escape",
		"a IN ()":                              `")" where IN needs a value`,
		"a IN b":                               "where IN needs a list",
		"a IN (b c)":                           `"c" in a list`,
		"tags>a":                               "tags is a string and has no order, allowed are =, !=, IN and EXISTS",
		`modified="2026-05-31"`:                "modified is compared with a string, allowed are dates and times",
		"at>2026-13-01":                        `"2026-13-01" is no date or time`,
		"a<b":                                  "< compares with a string, allowed are numbers, dates and times",
		"a=9007199254740993":                   "store such a number as a string",
		"a=1e999":                              "no number that 64 bits can hold",
		"title=x":                              `"title" cannot be compared, allowed are tags`,
		"Tags=x":                               `"Tags" cannot be compared, allowed are tags`,
		"page_start>3":                         `"page_start" cannot be compared`,
		"not=5":                                `"=" where a field should be named`,
		"a=1 AND":                              "the end where a field",
		`meta.=5`:                              `"=" where meta. needs a key`,
		`a=1 AND meta."a\\b"=x`:                `metadata key "a\\b", allowed are 1 to 4096 bytes of UTF-8 without quotation marks and backslashes, at character 14`,
		`a=1 AND a\b=x`:                        `metadata key "a\\b", allowed are 1 to 4096 bytes of UTF-8 without quotation marks and backslashes, at character 9`,
		`meta.a\b=x`:                           `metadata key "a\\b", allowed are`,
		`meta."a\"b"=x`:                        `metadata key "a\"b", allowed are`,
		`EXISTS meta.""`:                       `metadata key "", allowed are 1 to 4096 bytes`,
		strings.Repeat("k", 4097) + "=x":       "1 to 4096 bytes of UTF-8",
		"at=2026-05-31T00:00:00.0000001Z":      "6 decimals",
		"a=\xff":                               "not valid UTF-8",
		strings.Repeat("(", 100) + "a=1":       "more than 32 deep",
		strings.Repeat("NOT ", 100) + "a=1":    "more than 32 deep",
		strings.Repeat("a=1 OR ", 256) + "a=1": "more than 256 conditions",
		"a IN (" + strings.Repeat("1,", 1000) + "1)": "more than 1000 values",
		strings.Repeat(" ", MaxBytes) + "a=1":        "allowed are 16384",
	} {
		_, err := Parse(in)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%.60q) = %v, want %q", in, err, want)
		}
	}
	_, err := Parse("tags=ä AND yéar>>2024")
	if want := "  tags=ä AND yéar>>2024\n                  ^"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("the caret is elsewhere:\n%v", err)
	}
}

var testFields = []Field{Tags, ACL, Doc, MediaType, Modified, MetaField("n"), MetaField("s"), MetaField("a b.c"), MetaField("IN"), MetaField("meta.x"), MetaField("tags"), MetaField("Title")}

// random returns an expression that passes Check.
func random(r *rand.Rand, depth int) Expr {
	if depth > 0 && r.IntN(3) > 0 {
		e := Expr{Op: []Op{And, Or, Not}[r.IntN(3)]}
		n := 1
		if e.Op != Not {
			n = 2 + r.IntN(2)
		}
		for range n {
			e.Of = append(e.Of, random(r, depth-1))
		}
		return e
	}
	ops := []Op{Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual, In, Exists}
	day := time.Date(2026, 5, 30+r.IntN(3), 0, 0, 0, 0, time.UTC)
	values := []Value{
		{Kind: Text, Text: []string{"a", "true", "x y", "\"\\\n\u2028🙂", "2026-05-31", "5"}[r.IntN(6)]}, {Kind: Number, Number: float64(r.IntN(5)) / 2}, {Kind: Number, Number: r.NormFloat64() * 1e18},
		{Kind: Bool, Bool: r.IntN(2) == 0}, {Kind: Day, Time: day}, {Kind: Time, Time: day.Add(time.Duration(r.IntN(3)) * 12 * time.Hour)},
	}
	for {
		e := Expr{Op: ops[r.IntN(len(ops))], Field: testFields[r.IntN(len(testFields))]}
		n := 1
		switch e.Op {
		case In:
			n = 1 + r.IntN(3)
		case Exists:
			n = 0
		}
		for range n {
			e.Values = append(e.Values, values[r.IntN(len(values))])
		}
		if e.Check() == nil {
			return e
		}
	}
}

// What is printed is read back as the same, and reading normalises once.
func TestPrintParse(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		e := random(r, 4)
		got, err := Parse(e.String())
		if d := cmp.Diff(e, got); err != nil || d != "" {
			t.Fatalf("Parse(%s): %v (-want +got):\n%s", e, err, d)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`tags=policy AND (year>=2024 OR NOT EXISTS year)`, `meta."a b" IN ("x\u0041", 2026-05-31, -1e5)`, `a='`, "not"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e, err := Parse(s)
		if err != nil {
			if !errors.Is(err, ErrInvalid) || err.Error() == "" {
				t.Fatal(err)
			}
			return
		}
		again, err := Parse(e.String())
		if d := cmp.Diff(e, again); len(e.String()) <= MaxBytes && (err != nil || d != "") {
			t.Fatalf("%s: %v %s", e, err, d)
		}
	})
}

func TestMatch(t *testing.T) {
	noon := time.Date(2026, 5, 31, 12, 0, 0, 0, time.UTC)
	d := Document{ID: "a.md", Tags: []string{"x", "y"}, Modified: noon, Meta: meta.Fields{
		"n": meta.OfInteger(2024), "f": meta.OfFloat(2024), "s": meta.OfString("2024"), "on": meta.OfString("2026-05-31"),
		"by": meta.OfStrings([]string{"Ana", "Bo"}), "none": meta.OfStrings(nil), "ok": meta.OfBool(true),
	}}
	for s, want := range map[string]bool{
		"tags=x": true, "tags!=x": false, "tags IN (z, y)": true, "acl=x": false, "acl!=x": true, "EXISTS acl": false, "doc=a.md": true,
		"n=2024 AND f=2024": true, "n>2023": true, "s>2023": false, "s=2024": false, "s!=2024": true, `s="2024"`: true, `n="2024"`: false,
		"modified=2026-05-31": true, "modified>2026-05-31": false, "modified>=2026-05-31": true, "modified<=2026-05-31": true, "modified<2026-05-31": false,
		"modified=2026-05-31T12:00:00Z": true, "modified>2026-05-31T12:00:00Z": false, "on<2026-06-01": true, "on=2026-05-31": true,
		"by=Bo": true, "EXISTS none": false, "EXISTS by": true, "ok=true": true, "ok!=false": true, "missing<5": false, "NOT missing<5": true, "missing!=5": true,
		"EXISTS missing AND missing!=5": false, "media_type!=x": true,
	} {
		e, err := Parse(s)
		if err != nil || e.Match(d) != want {
			t.Errorf("%s: %v, %v, want %v", s, e.Match(d), err, want)
		}
	}
	if (Expr{}).Match(d) != true || (Expr{}).String() != "" || (Expr{}).Check() != nil {
		t.Error("no expression is not one that lets everything pass")
	}
}

func ExampleParse() {
	e, _ := Parse(`tags = policy and (year >= 2024 or not exists year)`)
	fmt.Println(e)
	_, err := Parse(`tags=policy AND year>>2024`)
	fmt.Println(err)
	// Output:
	// tags=policy AND (year>=2024 OR NOT EXISTS year)
	// parse the filter: ">" where > needs a value, at character 22
	//   tags=policy AND year>>2024
	//                        ^
}
