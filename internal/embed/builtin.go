package embed

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/hex"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
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
const forwardRevision = "1"

// Builtin runs a BERT model in this process, on the CPU, without any other
// software. It is safe for concurrent use; all calls together use at most
// GOMAXPROCS threads and one workspace for each.
//
// Queries get the model's query instruction in front, passages its passage
// instruction (bge-small-en-v1.5 has none), raw texts nothing. What is then longer
// than MaxTokens is cut. The empty text has a vector, too. Bytes that are not UTF-8
// are ignored, as are control and format characters. The names of special
// pieces, such as "[CLS]", are ordinary text.
//
// Passages are computed with int8 activations, queries and raw texts, which are
// few and matter more, with float32 activations; weights are int8 always. The
// vector of a text depends on the text and the task only: not on the other texts
// of the call, the number of threads or the load of the machine. It has the same
// bits on all processors with AVX2 and FMA, and differs in the last digits on
// others.
type Builtin struct {
	model     *bert.Model
	tokenizer *wordpiece.Tokenizer
	info      Info
	// workspaces has one entry per thread, nil until it is first needed.
	workspaces chan *bert.Workspace
}

var _ Embedder = (*Builtin)(nil)

// NewBuiltin returns the model that is part of the program, bge-small-en-v1.5.
func NewBuiltin() (*Builtin, error) {
	b, err := New(unsafe.Slice(unsafe.StringData(builtinModel), len(builtinModel)))
	if err != nil {
		return nil, fmt.Errorf("load built-in model: %w", err)
	}
	return b, nil
}

// Load returns the model in a file of the format of package modelfile.
func Load(path string) (*Builtin, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("load model: %w", err)
	}
	b, err := New(data)
	if err != nil {
		return nil, fmt.Errorf("load model %s: %w", path, err)
	}
	return b, nil
}

// New returns the model in data, a file of the format of package modelfile,
// which is kept and must not change. A damaged file, one of another version or
// architecture, or one whose tensors do not fit together is an error that wraps
// [modelfile.ErrCorrupt] or [modelfile.ErrUnsupported].
func New(data []byte) (*Builtin, error) {
	f, err := modelfile.Parse(data)
	if err != nil {
		return nil, err
	}
	vocabulary, err := f.Blob("vocab.txt")
	if err != nil {
		return nil, err
	}
	tokenizer, err := wordpiece.New(vocabulary)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", modelfile.ErrUnsupported, err)
	}
	if t := f.Header.Architecture.Tokenizer; t != "wordpiece_uncased" {
		return nil, fmt.Errorf("%w: tokenizer is %q, want %q", modelfile.ErrUnsupported, t, "wordpiece_uncased")
	}
	m, err := bert.New(f)
	if err != nil {
		return nil, err
	}
	if tokenizer.Len() != m.Pieces() {
		return nil, fmt.Errorf("%w: a vocabulary of %d pieces and %d word embeddings", modelfile.ErrUnsupported, tokenizer.Len(), m.Pieces())
	}
	b := &Builtin{
		model:     m,
		tokenizer: tokenizer,
		info: Info{
			Name:        f.Header.Name + " (int8)",
			Fingerprint: "builtin/" + hex.EncodeToString(f.Checksum[:16]) + "/" + forwardRevision,
			Dimension:   m.Hidden,
			MaxTokens:   m.MaxTokens,
		},
		workspaces: make(chan *bert.Workspace, runtime.GOMAXPROCS(0)),
	}
	for range cap(b.workspaces) {
		b.workspaces <- nil
	}
	return b, nil
}

// Info implements [Embedder].
func (b *Builtin) Info() Info { return b.info }

// CountTokens implements [Embedder]. The query instruction is not counted.
func (b *Builtin) CountTokens(s string) int { return b.tokenizer.Count(s) }

// Embed implements [Embedder]. It stops between two texts when ctx ends.
func (b *Builtin) Embed(ctx context.Context, task Task, texts []string) ([][]float32, error) {
	prefix, p, err := b.plan(task)
	if err != nil {
		return nil, err
	}
	jobs := make([]job, len(texts))
	for i, text := range texts {
		jobs[i] = job{index: i, ids: b.tokenise(prefix + text)}
	}
	// Longest first, so that no thread is left with a long text at the end.
	slices.SortStableFunc(jobs, func(x, y job) int { return cmp.Compare(len(y.ids), len(x.ids)) })

	dim := b.info.Dimension
	flat := make([]float32, len(texts)*dim)
	vectors := make([][]float32, len(texts))
	for i := range vectors {
		vectors[i] = flat[i*dim : (i+1)*dim : (i+1)*dim]
	}
	errs := make([]error, len(texts)) // of each text; nil where its vector is valid
	var next atomic.Int64
	work := func() {
		for {
			i := int(next.Add(1)) - 1
			if i >= len(jobs) {
				return
			}
			j := jobs[i]
			errs[j.index] = b.encode(ctx, vectors[j.index], j.ids, p)
		}
	}
	var wg sync.WaitGroup
	for range min(cap(b.workspaces), len(jobs)) - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			return vectors[:i], fmt.Errorf("embed text %d of %d: %w", i+1, len(texts), err)
		}
	}
	return vectors, nil
}

// job is a text to be embedded.
type job struct {
	index int // in the caller's order
	ids   []int32
}

// plan returns the instruction and the arithmetic of a task.
func (b *Builtin) plan(task Task) (prefix string, p bert.Precision, err error) {
	switch task {
	case Passage:
		return b.model.PassagePrefix, bert.Int8Activations, nil
	case Query:
		return b.model.QueryPrefix, bert.FloatActivations, nil
	case Raw:
		return "", bert.FloatActivations, nil
	}
	return "", 0, unknownTask(task.String())
}

// tokenise returns the ids of text, cut to the model's window but ending with [SEP].
func (b *Builtin) tokenise(text string) []int32 {
	ids := b.tokenizer.Append(nil, text)
	if limit := b.info.MaxTokens; len(ids) > limit {
		ids[limit-1] = ids[len(ids)-1]
		ids = ids[:limit]
	}
	return ids
}

// encode computes one vector as soon as a workspace is free.
func (b *Builtin) encode(ctx context.Context, out []float32, ids []int32, p bert.Precision) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case w := <-b.workspaces:
		defer func() { b.workspaces <- w }()
		if w == nil {
			w = new(bert.Workspace)
		}
		return b.model.Encode(out, ids, p, w)
	}
}
