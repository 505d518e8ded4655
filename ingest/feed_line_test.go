package ingest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/meta"
)

func TestParseFeedLine(t *testing.T) {
	at := time.Date(2026, 3, 1, 11, 0, 0, 5e8, time.UTC)
	tests := []struct {
		line string
		want feedLine
	}{
		{`{"id":"a","text":"Zwölf\n\u00fc \ud83d\ude00 \\ud83d"}`, feedLine{ID: "a", Text: "Zwölf\nü 😀 \\ud83d", MediaType: "text/plain; charset=utf-8"}},
		{`{"text":"","deleted":false,"id":"a"}`, feedLine{ID: "a", MediaType: "text/plain; charset=utf-8"}},
		{`{"id":"a","text":"<p>x","media_type":"text/HTML"}`, feedLine{ID: "a", Text: "<p>x", MediaType: "text/html; charset=utf-8"}},
		{`{"id":"a","text":"{}","media_type":"application/json; charset=UTF-8"}`, feedLine{ID: "a", Text: "{}", MediaType: "application/json; charset=utf-8"}},
		{`{"id":"a","path":"./b//c.pdf","media_type":"application/pdf"}`, feedLine{ID: "a", Path: "b/c.pdf", MediaType: "application/pdf"}},
		{`{"id":"a","path":"x/../b"}`, feedLine{ID: "a", Path: "b"}},
		{` {"id" : "a" , "deleted" : true } `, feedLine{ID: "a", Deleted: true}},
		{`{"id":"a","path":"p","uri":"u","title":"T","tags":["x","y"],"acl":["g"],"modified":"2026-03-01T12:00:00.5+01:00",
		  "meta":{"s":"v","n":-3,"big":9223372036854775807,"f":3.0,"e":1e3,"t":true,"no":false,"l":["a","a"],"empty":[]}}`,
			feedLine{ID: "a", Path: "p", URI: "u", Title: "T", Tags: []string{"x", "y"}, ACL: []string{"g"}, Meta: meta.Fields{
				"s": meta.OfString("v"), "n": meta.OfInteger(-3), "big": meta.OfInteger(9223372036854775807), "f": meta.OfFloat(3), "e": meta.OfFloat(1000),
				"t": meta.OfBool(true), "no": meta.OfBool(false), "l": meta.OfStrings([]string{"a", "a"}), "empty": meta.OfStrings(nil), "modified": meta.OfTime(at),
			}}},
		{`{"id":"a","path":"p","meta":{"modified":"2026-03-01T12:00:00.5+01:00"}}`, feedLine{ID: "a", Path: "p", Meta: meta.Fields{"modified": meta.OfTime(at)}}},
		{`{"id":"a","path":"p","meta":{},"tags":[]}`, feedLine{ID: "a", Path: "p"}},
	}
	for _, tt := range tests {
		got, fault := parseFeedLine([]byte(tt.line))
		if fault != nil {
			t.Errorf("%s: %v", tt.line, fault)
			continue
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.line, d)
		}
	}
}

func TestParseFeedLineRefuses(t *testing.T) {
	long := strings.Repeat("x", 4097)
	list := func(n int) string {
		var s []string
		for i := range n {
			s = append(s, fmt.Sprintf("%q", fmt.Sprint(i)))
		}
		return "[" + strings.Join(s, ",") + "]"
	}
	doc := func(field string) string { return `{"id":"a","text":"x",` + field + `}` }
	file := func(path string) string { return `{"id":"a","path":` + path + `}` }
	for line, want := range map[string]string{
		`["a"]`:                       `the line is ["a"]; want a JSON object`,
		`"a"`:                         `the line is "a"; want a JSON object`,
		`{"id":"a","text":"x"`:        `the line is not valid JSON: the line ends inside the object`,
		`{"id":"a","text":"x"}}`:      `the line has something after the object; want one object a line`,
		`{"id":"a","text":"x"} {}`:    `the line has something after the object; want one object a line`,
		`{id:"a"}`:                    `the line is not valid JSON: invalid character 'i' (byte 1)`,
		`{"id":"a","text":"x",}`:      `the line is not valid JSON: invalid character '}' looking for beginning of object key string (byte 21)`,
		"{\"id\":\"a\xff\"}":          `the line is not valid UTF-8`,
		`{"text":"x"}`:                `"id" is missing`,
		`{"id":"","text":"x"}`:        `"id" is empty`,
		`{"id":7,"text":"x"}`:         `"id" is 7; want a string`,
		`{"id":null,"text":"x"}`:      `"id" is null; want a string, or leave the field out`,
		`{"id":"a\nb","text":"x"}`:    `"id" is "a\nb", control characters are not allowed`,
		`{"id":"` + long + `"}`:       `"id" has 4097 bytes, allowed are 1024`,
		`{"id":"a","id":"b"}`:         `"id" is given twice`,
		`{"id":"a"}`:                  `"text" is missing, and so is "path"; a document that is not deleted has one of them`,
		`{"id":"a","deleted":false}`:  `"text" is missing, and so is "path"; a document that is not deleted has one of them`,
		doc(`"path":"p"`):             `"path" is given beside "text"; a document has one of them`,
		doc(`"Text":"y"`):             `"Text" unknown field; allowed are id, uri, text, path, media_type, title, meta, tags, acl, modified, deleted`,
		doc(`"deleted":true`):         `"text" has no meaning beside "deleted": true; a document that is gone has its id alone`,
		doc(`"deleted":"yes"`):        `"deleted" is "yes"; want true or false`,
		doc(`"title":["x"]`):          `"title" is ["x"]; want a string`,
		doc(`"title":"\ud83d x"`):     `"title" has \ud83d, half of a surrogate pair, which is no character`,
		doc(`"title":"\uDE00\ud83d"`): `"title" has \uDE00, half of a surrogate pair, which is no character`,
		doc(`"uri":"` + long + `"`):   `"uri" has 4097 bytes, allowed are 4096`,
		doc(`"media_type":"application/pdf"`): `"media_type" is "application/pdf"; a text is text/plain (the default), text/markdown, text/html or another format of text, ` +
			`and other files are given by "path"`,
		doc(`"media_type":"text/html; charset=latin1"`): `"media_type" has the charset "latin1"; a text in JSON is always utf-8`,
		`{"id":"a","path":"p","media_type":"pdf/"}`:     `"media_type" is "pdf/"; want a media type such as application/pdf`,
		doc(`"tags":"x"`):                `"tags" is "x"; want an array of strings`,
		doc(`"tags":["x",1]`):            `"tags[1]" is 1; want a string`,
		doc(`"tags":["x",""]`):           `"tags[1]" is "", which is empty or was given before`,
		doc(`"acl":["x","y","x"]`):       `"acl[2]" is "x", which is empty or was given before`,
		doc(`"tags":` + list(101)):       `"tags" has 101 entries, allowed are 100`,
		doc(`"acl":` + list(1001)):       `"acl" has 1001 entries, allowed are 1000`,
		doc(`"modified":"1 March 2026"`): `"modified" is "1 March 2026"; want a time in RFC 3339, for example 2026-03-01T12:00:00Z`,
		doc(`"modified":"2026-03-01T12:00:00Z","meta":{"modified":"x"}`): `"meta.modified" is given beside "modified", which means the same`,
		doc(`"meta":{"modified":"yesterday"}`):                           `"meta.modified" is "yesterday"; want a time in RFC 3339`,
		doc(`"meta":[]`):                                                 `"meta" is []; want a JSON object`,
		doc(`"meta":null`):                                               `"meta" is null; want a JSON object`,
		doc(`"meta":{"k":null}`):                                         `"meta.k" is null; want a string, a number, true or false, or an array of strings`,
		doc(`"meta":{"k":{"l":"` + long + `"}}`):                         `"meta.k" is {"l":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…; want a string, a number, true or false, or an array of strings`,
		doc(`"meta":{"k":[1]}`):                                          `"meta.k[0]" is 1; want a string`,
		doc(`"meta":{"k":1,"k":2}`):                                      `"meta.k" is given twice`,
		doc(`"meta":{"k":9223372036854775808}`):                          `"meta.k" is 9223372036854775808, which no 64-bit integer can hold; give it as a string`,
		doc(`"meta":{"k":1e400}`):                                        `"meta.k" is 1e400, which no 64-bit number can hold`,
		file(`""`):                                                       `"path" is "", which names no file; want a path below the root of the feed, parted by /`,
		file(`"./"`):                                                     `"path" is "./", which names no file; want a path below the root of the feed, parted by /`,
		file(`"/etc/passwd"`):                                            `"path" is "/etc/passwd", which is absolute; want a path below the root of the feed, parted by /`,
		file(`"../x"`):                                                   `"path" is "../x", which leaves the root; want a path below the root of the feed, parted by /`,
		file(`"a/../../x"`):                                              `"path" is "a/../../x", which leaves the root; want a path below the root of the feed, parted by /`,
	} {
		got, fault := parseFeedLine([]byte(line))
		if fault == nil {
			t.Errorf("%s: no error, but %+v", line, got)
			continue
		}
		fault.Name, fault.Line = "f.jsonl", 3
		if got := fault.Error(); got != "f.jsonl:3: "+want {
			t.Errorf("%s:\n got %s\nwant f.jsonl:3: %s", line, got, want)
		}
	}
	for _, bad := range []string{`"tenant":"x"`, `"":1`, `"k":"` + long + `"`} { // the words are package meta's
		if _, fault := parseFeedLine([]byte(doc(`"meta":{` + bad + `}`))); fault == nil || fault.Field != "meta" {
			t.Errorf("meta {%.20s…}: %v", bad, fault)
		}
	}
}

// FuzzFeedLine: what is accepted says the same when it is written out again,
// and holds nothing that cannot be stored.
func FuzzFeedLine(f *testing.F) {
	for _, s := range []string{
		`{"id":"a","text":"x","meta":{"s":"v","n":-3,"f":3.5e2,"t":true,"l":["a"]},"tags":["x"],"acl":["g"],"modified":"2026-03-01T12:00:00Z"}`,
		`{"id":"b","path":"a/../b.pdf","uri":"u","title":"\ud83d\ude00","media_type":"application/pdf"}`,
		`{"id":"c","deleted":true}`, `{"id":"c","id":"d"}`, `{"id":"\ud83d"}`, `[`, `{"meta":{"a":[[`, "\xff", `{"id":"a","text":"x","media_type":"text/html;a=b"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		l, fault := parseFeedLine(line)
		if fault != nil {
			if fault.Problem == "" || !utf8.ValidString(fault.Problem) && utf8.Valid(line) {
				t.Errorf("fault %+v", fault)
			}
			return
		}
		if l.ID == "" || !utf8.ValidString(string(l.ID)+l.URI+l.Title+l.Text+l.Path+l.MediaType) || meta.Check(l.Meta) != nil {
			t.Errorf("accepted %+v", l)
		}
		again, fault := parseFeedLine(l.json(t))
		if fault != nil {
			t.Fatalf("%s, written as %s: %v", line, l.json(t), fault)
		}
		if d := cmp.Diff(l, again); d != "" {
			t.Errorf("%s, written as %s (-first +second):\n%s", line, l.json(t), d)
		}
	})
}

// json writes l as a line.
func (l feedLine) json(t testing.TB) []byte {
	t.Helper()
	m := map[string]any{"id": l.ID}
	for key, s := range map[string]string{"uri": l.URI, "title": l.Title, "media_type": l.MediaType} {
		if s != "" {
			m[key] = s
		}
	}
	switch {
	case l.Deleted:
		m["deleted"] = true
	case l.Path != "":
		m["path"] = l.Path
	default:
		m["text"] = l.Text
	}
	if l.Tags != nil {
		m["tags"] = l.Tags
	}
	if l.ACL != nil {
		m["acl"] = l.ACL
	}
	fields := map[string]any{}
	for key, v := range l.Meta {
		switch v.Kind {
		case meta.String:
			fields[key] = v.String
		case meta.Integer:
			fields[key] = v.Integer
		case meta.Float:
			fields[key] = json.RawMessage(fmt.Sprintf("%.17e", v.Float))
		case meta.Bool:
			fields[key] = v.Bool
		case meta.Time:
			m["modified"] = v.Time.Format(time.RFC3339Nano)
		case meta.Strings:
			if v.Strings == nil {
				v.Strings = []string{}
			}
			fields[key] = v.Strings
		}
	}
	if len(fields) > 0 {
		m["meta"] = fields
	}
	line, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return line
}
