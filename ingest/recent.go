package ingest

import "crypto/sha256"

// recentTexts bounds how many texts a run remembers: at 1,536 dimensions their
// vectors take 25 MB.
const recentTexts = 4096

// recent finds equal texts among the last ones of a run, so that a document
// which is there twice is embedded once, whether the embedder has a cache or
// not. The oldest text is forgotten first. Not safe for concurrent use.
type recent struct {
	byText map[[sha256.Size]byte]*embedding
	order  [][sha256.Size]byte // a ring
	next   int
}

// embedding is the vector of a text, nil until the text is embedded.
type embedding struct {
	text    string // empty once there is a vector, or an error
	vector  []float32
	refused error // why there will be none
}

// settled reports whether nothing more will become of e.
func (e *embedding) settled() bool { return e.vector != nil || e.refused != nil }

func newRecent() *recent {
	return &recent{byText: make(map[[sha256.Size]byte]*embedding)}
}

// find returns the embedding of each text, and those among them that are new,
// in order of their first text.
func (r *recent) find(texts []string) (all, fresh []*embedding) {
	all = make([]*embedding, len(texts))
	for i, text := range texts {
		key := sha256.Sum256([]byte(text))
		e := r.byText[key]
		if e == nil {
			e = &embedding{text: text}
			r.add(key, e)
			fresh = append(fresh, e)
		}
		all[i] = e
	}
	return all, fresh
}

func (r *recent) add(key [sha256.Size]byte, e *embedding) {
	if len(r.order) < recentTexts {
		r.order = append(r.order, key)
	} else {
		delete(r.byText, r.order[r.next])
		r.order[r.next] = key
		r.next = (r.next + 1) % recentTexts
	}
	r.byText[key] = e
}
