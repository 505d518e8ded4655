package embed

import (
	_ "embed"
	"fmt"
	"unsafe"

	"github.com/ragloop/ragloop/internal/embed/bert"
	"github.com/ragloop/ragloop/internal/embed/modelfile"
	"github.com/ragloop/ragloop/internal/embed/wordpiece"
)

// builtinModel is a string so that it stays in the read-only part of the
// binary: its pages are loaded on first use and shared by processes.
//
//go:embed bge-small-en-v1.5.model
var builtinModel string

// forwardRevision is part of the fingerprint. It changes when the same model
// file gives other vectors than before, beyond rounding.
const forwardRevision = "3"

// Builtin runs a BERT model in this process, on the CPU, without any other
// software. It is safe for concurrent use; all calls together use at most as many
// threads as GOMAXPROCS said when it was loaded, and one workspace for each (file
// slots.go).
//
// Queries get the model's query instruction in front, passages its passage
// instruction (bge-small-en-v1.5 has none), raw texts nothing. What is then longer
// than MaxTokens is cut. The empty text has a vector, too. Bytes that are not UTF-8
// are ignored, as are control and format characters. The names of special
// pieces, such as "[CLS]", are ordinary text.
//
// Passages are computed with int8 activations, queries and raw texts, which are
// few and matter more, with int16 activations; weights are int8 always. The
// vector of a text depends on the text and the task only: not on the other texts
// of the call, the number of threads or the load of the machine. It has the same
// bits on all processors for which package simd has vector kernels, with AVX2 or
// NEON, and differs in the last digits on others.
type Builtin struct {
	model     *bert.Model
	tokenizer *wordpiece.Tokenizer
	info      Info
	scheduler scheduler
	center    center
	rarity    rarity
}

var _ Embedder = (*Builtin)(nil)

// NewBuiltin returns the model that is part of the program, bge-small-en-v1.5.
// Its checksum is not verified, for it is as sound as the program: that takes
// 17 ms, and 80 without SHA instructions, of a start that needs 35.
func NewBuiltin() (*Builtin, error) {
	f, err := modelfile.ParseTrusted(unsafe.Slice(unsafe.StringData(builtinModel), len(builtinModel)))
	if err != nil {
		return nil, fmt.Errorf("load built-in model: %w", err)
	}
	b, err := newFromFile(f)
	if err != nil {
		return nil, fmt.Errorf("load built-in model: %w", err)
	}
	return b, nil
}

// Load returns the embedding model in a file of the format of package
// modelfile. The file is memory mapped where the system can do that, and stays
// so until the process ends: it may be replaced, but must not be changed in
// place. Errors name the path.
func Load(path string) (*Builtin, error) {
	data, err := readModel(path)
	if err != nil {
		return nil, err
	}
	b, err := New(data)
	if err != nil {
		return nil, fmt.Errorf("load model %s: %w", path, err)
	}
	return b, nil
}

// New returns the embedding model in data, a file of the format of package
// modelfile, which is kept and must not change. A damaged file, one of another
// version or architecture, or one whose tensors do not fit together is an error
// that wraps [modelfile.ErrCorrupt] or [modelfile.ErrUnsupported].
func New(data []byte) (*Builtin, error) {
	f, err := modelfile.Parse(data)
	if err != nil {
		return nil, err
	}
	return newFromFile(f)
}

func newFromFile(f *modelfile.File) (*Builtin, error) {
	p, err := parts(f)
	if err != nil {
		return nil, err
	}
	if p.model.CrossEncoder() {
		return nil, fmt.Errorf("%w: it is a cross-encoder, which scores pairs of texts; an embedding model is needed", modelfile.ErrUnsupported)
	}
	// An instruction that leaves no room would give all texts one vector.
	for _, prefix := range []struct{ name, text string }{{"query", p.model.QueryPrefix}, {"passage", p.model.PassagePrefix}} {
		if prefix.text != "" && p.tokenizer.Count(prefix.text) >= p.model.MaxTokens {
			return nil, fmt.Errorf("%w: the %s prefix of %d tokens, special ones included, leaves no room in the window of %d",
				modelfile.ErrUnsupported, prefix.name, p.tokenizer.Count(prefix.text), p.model.MaxTokens)
		}
	}
	// What fits is decided before the instruction is put in front.
	if prefix := p.model.PassagePrefix; prefix != "" {
		p.info.MaxTokens -= p.tokenizer.Count(prefix) - p.tokenizer.Count("")
	}
	b := &Builtin{model: p.model, tokenizer: p.tokenizer, info: p.info}
	b.scheduler.slots.limit, b.scheduler.slots.left = threadsNow(), make(chan struct{}, 1)
	return b, nil
}

// Info implements [Embedder].
func (b *Builtin) Info() Info { return b.info }

// CountTokens implements [Embedder]. The query instruction is not counted.
func (b *Builtin) CountTokens(s string) int { return b.tokenizer.Count(s) }
