package isolate

import (
	"archive/zip"
	"bytes"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/ragloop/ragloop/ingest/extract"
)

var mutations = flag.Int("mutations", 500, "number of mutated documents")

// dictionary holds what parsers look for.
var dictionary = strings.Split(`<</Length 0>>|/Type/Page|/Kids[1 0 R]|/Parent 1 0 R|1 0 R|obj|endobj|stream|endstream|xref|trailer|startxref
|%%EOF|/FlateDecode|/ASCII85Decode|/Filter[/FlateDecode/FlateDecode]|/Encrypt 1 0 R|BT|ET|Tj|[(a)-9999999(b)]TJ|q|Q|Do|cm|/ToUnicode
|beginbfrange|<0000><ffff><0000>|<w:p>|</w:p>|<w:tbl><w:tr><w:tc>|<w:ilvl w:val="2000000000"/>|<w:r><w:t>|<?xml version="1.0"?>|<!DOCTYPE x [<!ENTITY a "&a;">]>|&a;|&#0;|&#x110000;
|<table>|<td colspan=99999999>|<ul><li>|</ul>|<pre>|<script>|<!--|-->|<![CDATA[|]]>|"|'|,|
|# |- |> |*a_ |~~~|| a | b |||---|---||[x]: y|{|}|[|]|{"a":|null|1e999|\u0000|\ud800|PK|PK|PK|{\rtf1|\bin9999999|\u-1?|\par|{\*
|From: a|Content-Type: multipart/mixed; boundary=b|--b|=?utf-8?b?/w==?=|charset=utf-16|table:number-columns-repeated="2000000000"|<text:s text:c="2000000000"/>
|-1|0|2147483647|4294967296|99999999999999999999|||%00|||`, "|")

// mutate returns a damaged copy of data: one to four of bit flips, truncation,
// blocks that are repeated, removed or moved, tokens and pieces of another
// document put in; now and then inside a part of a zip archive.
func mutate(r *rand.Rand, data, other []byte) []byte {
	if r.IntN(2) == 0 {
		if out := mutatePart(r, data, other); out != nil {
			return out
		}
	}
	return mutateBytes(r, data, other)
}

func mutateBytes(r *rand.Rand, data, other []byte) []byte {
	data = slices.Clone(data)
	for range 1 + r.IntN(4) {
		if len(data) == 0 {
			return data
		}
		at := r.IntN(len(data))
		block := data[at : at+r.IntN(min(len(data)-at, 1<<r.IntN(14))+1)]
		switch r.IntN(8) {
		case 0:
			for range 1 + r.IntN(32) {
				data[r.IntN(len(data))] ^= 1 << r.IntN(8)
			}
		case 1:
			data = data[:at]
		case 2:
			data = slices.Insert(data, at, bytes.Repeat(block, 1+r.IntN(8))...)
		case 3:
			data = slices.Delete(data, at, at+len(block))
		case 4:
			data = slices.Insert(data, r.IntN(len(data)), slices.Clone(block)...)
		case 5:
			data = slices.Insert(data, at, []byte(dictionary[r.IntN(len(dictionary))])...)
		case 6:
			copy(data[at:], dictionary[r.IntN(len(dictionary))])
		case 7:
			if len(other) > 0 {
				from := r.IntN(len(other))
				data = slices.Insert(data, at, other[from:from+r.IntN(min(len(other)-from, 4096)+1)]...)
			}
		}
	}
	return data
}

// mutatePart mutates one part of a zip archive and leaves the archive whole; it
// returns nil where data is none.
func mutatePart(r *rand.Rand, data, other []byte) []byte {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil || len(z.File) == 0 {
		return nil
	}
	chosen := r.IntN(len(z.File))
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for i, f := range z.File {
		rc, err := f.Open()
		if err != nil {
			return nil
		}
		part, err := io.ReadAll(rc)
		if err != nil {
			return nil
		}
		if i == chosen {
			part = mutateBytes(r, part, other)
		}
		pw, err := w.CreateHeader(&zip.FileHeader{Name: f.Name, Method: f.Method})
		if err != nil {
			return nil
		}
		pw.Write(part)
	}
	if w.Close() != nil {
		return nil
	}
	return out.Bytes()
}

// Every mutated document ends with a text that keeps the rules or with a reason,
// and none of them takes the pool with it.
func TestMutations(t *testing.T) {
	inputs := fixtures(t)
	n := *mutations
	if testing.Short() {
		n = min(n, 100)
	}
	p := pool(t, Options{})
	started, start := 0, p.start
	var mu sync.Mutex
	p.start = func() (*process, error) {
		mu.Lock()
		started++
		mu.Unlock()
		return start()
	}
	ends := map[string]int{}
	var wg sync.WaitGroup
	for worker := range p.o.Workers {
		wg.Go(func() {
			for i := worker; i < n; i += p.o.Workers {
				r := rand.New(rand.NewPCG(5, uint64(i)))
				in := inputs[i%len(inputs)]
				in.Data = mutate(r, in.Data, inputs[r.IntN(len(inputs))].Data)
				doc, err := p.Extract(t.Context(), in)
				end := string(extract.ReasonOf(err))
				switch {
				case err == nil:
					end = "extracted"
					if problem := breach(doc); problem != "" {
						t.Errorf("mutation %d of %s: %s", i, in.Name, problem)
					}
				case end == "":
					t.Errorf("mutation %d of %s: no terminal state: %v", i, in.Name, err)
				case end == string(extract.ReasonCrash), end == string(extract.ReasonTimeout), end == string(extract.ReasonMemory):
					t.Logf("mutation %d of %s: %v", i, in.Name, err)
				}
				mu.Lock()
				ends[end]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	var b strings.Builder
	for _, end := range slices.Sorted(maps.Keys(ends)) {
		fmt.Fprintf(&b, " %s %d", end, ends[end])
	}
	t.Logf("%d mutated documents of %d:%s; %d processes for %d workers", n, len(inputs), b.String(), started, p.o.Workers)
}

// breach says which rule of extract a document breaks.
func breach(doc extract.Document) string {
	if !utf8.ValidString(doc.Text) || strings.ContainsRune(doc.Text, 0) || doc.Text == "" {
		return "its text is empty, not UTF-8, or holds NUL"
	}
	at := 0
	for i, b := range doc.Blocks {
		if b.Span.Start != at || b.Span.End <= at {
			return fmt.Sprintf("block %d is [%d, %d), want it to start at %d", i, b.Span.Start, b.Span.End, at)
		}
		at = b.Span.End
	}
	if at != len(doc.Text) {
		return fmt.Sprintf("its blocks end at %d of %d", at, len(doc.Text))
	}
	return ""
}
