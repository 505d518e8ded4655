package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/ragloop/ragloop/ingest"
)

// omissions are what the sources of a command leave out, each once however often
// a source is read. Safe for concurrent use.
type omissions struct {
	mu     sync.Mutex
	byName map[string]ingest.Omitted
}

func (o *omissions) add(name string, m ingest.Omitted) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.byName == nil {
		o.byName = map[string]ingest.Omitted{}
	}
	o.byName[name] = m
}

// counts returns how many there are for each reason. A directory counts as one.
// Nil is empty.
func (o *omissions) counts() map[ingest.Omission]int {
	counts := map[ingest.Omission]int{}
	if o == nil {
		return counts
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, m := range o.byName {
		counts[m.Why]++
	}
	return counts
}

// lines describes each of them, sorted by name.
func (o *omissions) lines() (lines []string) {
	if o == nil {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(o.byName)) {
		m := o.byName[name]
		line := printable(name)
		if m.Dir {
			line += "/"
		}
		line += ": " + omissionNames[m.Why].one
		if m.By != "" {
			line += " " + printable(m.By)
		}
		lines = append(lines, line)
	}
	return lines
}

// omissionNames are the reasons for people: of one file or directory, and behind
// a number of them.
var omissionNames = map[ingest.Omission]struct{ one, many string }{
	ingest.OmitHidden:     {"hidden", "hidden"},
	ingest.OmitSymlink:    {"symbolic link, not followed", "as symbolic links"},
	ingest.OmitSpecial:    {"not a regular file", "as no regular files"},
	ingest.OmitOwn:        {"the data directory (data_dir)", "as the data directory"},
	ingest.OmitExcluded:   {"excluded by", "by --exclude or source.exclude"},
	ingest.OmitIgnored:    {"ignored by", "by " + ingest.IgnoreFile},
	ingest.OmitUnselected: {"not included", "that no --include or source.include names"},
}

// printOmitted says what was left out: the names, too, if they are wanted.
func (a *app) printOmitted(names bool) {
	counts := a.omitted.counts()
	if names {
		for _, line := range a.omitted.lines() {
			a.say("left out: %s", line)
		}
	}
	var parts []string
	for _, why := range ingest.Omissions {
		if n := counts[why]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, omissionNames[why].many))
		}
	}
	if len(parts) == 0 {
		return
	}
	hint := ""
	if !names {
		hint = "; --verbose names them"
	}
	a.say("left out: %s%s", strings.Join(parts, ", "), hint)
}
