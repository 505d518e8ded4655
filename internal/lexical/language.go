package lexical

import (
	"embed"
	"maps"
	"slices"

	"github.com/blevesearch/snowballstem"
	"github.com/blevesearch/snowballstem/danish"
	"github.com/blevesearch/snowballstem/dutch"
	"github.com/blevesearch/snowballstem/english"
	"github.com/blevesearch/snowballstem/finnish"
	"github.com/blevesearch/snowballstem/french"
	"github.com/blevesearch/snowballstem/german"
	"github.com/blevesearch/snowballstem/hungarian"
	"github.com/blevesearch/snowballstem/italian"
	"github.com/blevesearch/snowballstem/norwegian"
	"github.com/blevesearch/snowballstem/portuguese"
	"github.com/blevesearch/snowballstem/russian"
	"github.com/blevesearch/snowballstem/spanish"
	"github.com/blevesearch/snowballstem/swedish"
	"github.com/blevesearch/snowballstem/turkish"
)

// none is the language without stop words and stemming.
const none = "none"

type stemmer func(*snowballstem.Env) bool

type language struct {
	stem      stemmer
	stopWords string // separated by white space
}

//go:embed stopwords/*.txt
var stopWordFiles embed.FS

// languages are those of the server whose stemmer and stop words are both to be
// had. It also has stop words or a stemmer for Arabic, Armenian, Azerbaijani,
// Basque, Bengali, Catalan, Chinese, Greek, Hebrew, Hinglish, Indonesian,
// Japanese, Kazakh, Nepali, Romanian, Slovene, Tajik and Tamil: refused by New.
//
// On 7.0 million word forms of these languages the stemmers give the same as
// rust-stemmers 1.2.0, from which the server's are forked.
var languages = func() map[string]language {
	m := map[string]language{}
	for name, stem := range map[string]stemmer{
		"danish": danish.Stem, "dutch": dutch.Stem, "english": english.Stem, "finnish": finnish.Stem,
		"french": french.Stem, "german": german.Stem, "hungarian": hungarian.Stem, "italian": italian.Stem,
		"norwegian": norwegian.Stem, "portuguese": portuguese.Stem, "russian": russian.Stem,
		"spanish": spanish.Stem, "swedish": swedish.Stem, "turkish": turkish.Stem,
	} {
		words, err := stopWordFiles.ReadFile("stopwords/" + name + ".txt")
		if err != nil {
			panic(err) // unreachable: the files are embedded, and a test reads them all
		}
		m[name] = language{stem, string(words)}
	}
	return m
}()

// Languages lists the supported languages, sorted, "none" last.
func Languages() []string { return append(slices.Sorted(maps.Keys(languages)), none) }
