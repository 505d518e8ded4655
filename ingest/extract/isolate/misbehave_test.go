package isolate

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/ragloop/ragloop/ingest/extract"
)

// answers is what this process answers on. Were it collected, it would be closed.
var answers = os.NewFile(uintptr(syscall.Stdout), "answers")

// documents counts what this parser process was given.
var documents int

// misbehave is the parser of this package's tests: extract.Extract, and what it
// must never do, by media type.
func misbehave(in extract.Input) (extract.Document, error) {
	documents++
	what, ok := strings.CutPrefix(in.MediaType, "test/")
	if !ok {
		return extract.Extract(context.Background(), in)
	}
	switch what {
	case "loop":
		for i := 0; ; i++ {
			sink = append(sink[:0], byte(i))
		}
	case "sleep":
		select {}
	case "silence":
		answers.WriteString("\x31")
		select {}
	case "grow":
		var held [][]byte
		for {
			b := make([]byte, 1<<16)
			for i := range b {
				b[i] = 1
			}
			held = append(held, b)
			sink = b
			_ = held
		}
	case "huge":
		b := make([]byte, 8<<30)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
	case "churn":
		for range 200 {
			sink = make([]byte, 4<<20)
			for i := 0; i < len(sink); i += 4096 {
				sink[i] = 1
			}
		}
	case "panic":
		panic("boom")
	case "stray":
		go panic("stray")
		select {}
	case "overflow":
		recurse(1)
	case "race":
		m := map[int]int{}
		for range 4 {
			go func() {
				for i := 0; ; i++ {
					m[i%8] = i
				}
			}()
		}
		select {}
	case "exit":
		os.Exit(3)
	case "hangup":
		os.Exit(0)
	case "killed":
		self, _ := os.FindProcess(os.Getpid())
		self.Kill()
		select {}
	case "garbage":
		answers.WriteString(strings.Repeat("<html>", 1000))
		select {}
	case "print":
		fmt.Println("debug:", 1)
		fmt.Fprintln(os.Stderr, "panic: not really")
	case "words":
		return extract.Document{Warnings: slices.Repeat([]string{strings.Repeat("word ", 1<<18)}, 200)}, nil
	case "fresh":
		if documents > 1 {
			os.Exit(1)
		}
	case "world":
		return extract.Document{Text: world()}, nil
	}
	return extract.Document{Text: what}, nil
}

var sink []byte

func recurse(n int) int {
	if n == 0 {
		return 0
	}
	return recurse(n+1) + 1
}
