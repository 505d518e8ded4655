package tokens

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pkoukk/tiktoken-go"
)

// readAll returns the files that match a pattern, joined, in the order of their
// names.
func readAll(t testing.TB, patterns ...string) string {
	t.Helper()
	var b strings.Builder
	for _, pattern := range patterns {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no files %s: %v", pattern, err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			b.Write(text)
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// texts are what the speed is measured on: by name, kinds of text as they occur,
// and runs that make a counter slow.
func texts(t testing.TB) []struct{ name, text string } {
	r := rand.New(rand.NewPCG(7, 8))
	var numbers strings.Builder
	for range 3000 {
		fmt.Fprintf(&numbers, "%d,%.2f,%04d-%02d-%02d\n", r.IntN(1_000_000), r.Float64()*1000, 1990+r.IntN(40), 1+r.IntN(12), 1+r.IntN(28))
	}
	var cjk strings.Builder
	for range 1000 {
		cjk.WriteString(cjkSentences[r.IntN(len(cjkSentences))])
	}
	letters := make([]byte, 1<<20)
	for i := range letters {
		letters[i] = "abcdefghijklmnopqrstuvwxyz"[r.IntN(26)]
	}
	const mb = 1 << 20
	return []struct{ name, text string }{
		{"text", readAll(t, "../demo/corpus/*/*.md", "../demo/corpus/*/*.txt")},
		{"html", readAll(t, "../demo/corpus/*/*.html")},
		{"code", readAll(t, "../*/*.go")},
		{"numbers", numbers.String()},
		{"cjk", cjk.String()},
		{"1MB_letter", strings.Repeat("a", mb)},
		{"1MB_space", strings.Repeat(" ", mb)},
		{"1MB_lines", strings.Repeat("\n", mb)},
		{"1MB_rule", strings.Repeat("=", mb)},
		{"1MB_kanji", strings.Repeat("日", mb/3)},
		{"1MB_random", string(letters)},
	}
}

var cjkSentences = []string{
	"東京タワーは日本の東京都港区にある電波塔です。", "休暇は翌年の三月三十一日まで繰り越すことができます。", "この機器の保守は年に二回行ってください。",
	"员工每年最多可以结转五天未使用的年假。", "请在安装之前仔细阅读本说明书。", "数据中心的温度必须保持在十八到二十七摄氏度之间。", "供应商应在三十天内交付货物。",
	"직원은 사용하지 않은 연차를 최대 5일까지 이월할 수 있습니다.", "설치 전에 설명서를 주의 깊게 읽어 주십시오.", "출장 중 호텔 비용은 하루 140유로를 초과할 수 없습니다.",
}

// BenchmarkCount has the peer beside it: tiktoken-go on the same text, but for
// the runs, where its time is quadratic.
func BenchmarkCount(b *testing.B) {
	for _, bench := range texts(b) {
		for _, name := range Encodings() {
			run := func(counter string, count func()) {
				b.Run(bench.name+"/"+name+"/"+counter, func(b *testing.B) {
					b.SetBytes(int64(len(bench.text)))
					b.ReportAllocs()
					for b.Loop() {
						count()
					}
				})
			}
			c, o := counter(b, name), oracle(b, name)
			run("ragloop", func() { c.Count(bench.text) })
			if !strings.HasPrefix(bench.name, "1MB") {
				run("tiktoken-go", func() { o.EncodeOrdinary(bench.text) })
			}
		}
	}
}

// BenchmarkLoad is what the first New of an encoding costs, and the first long
// piece after it.
func BenchmarkLoad(b *testing.B) {
	for _, e := range encodings {
		if e.name == "p50k_edit" {
			continue // the vocabulary of p50k_base
		}
		b.Run(e.name+"/new", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := loadVocabulary(e.name); err != nil {
					b.Fatal(err)
				}
			}
		})
		v, err := e.load()
		if err != nil {
			b.Fatal(err)
		}
		b.Run(e.name+"/long_piece", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				newTrie(v)
			}
		})
		b.Run(e.name+"/tiktoken-go", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tiktoken.GetEncoding(e.name); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
