package qdrantlocal

import (
	"strings"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ragloop/ragloop/internal/lexical"
)

// The only inference model is the server's own BM25. Documents are replaced by
// sparse vectors before anything else looks at a request, so that the log holds
// vectors.

// errNoInference is the server's answer where it has no inference service.
var errNoInference = status.Error(codes.Internal, "Service internal error: InferenceService URL not configured - please provide valid address in config")

func inferPoints(ps []*qdrant.PointStruct) error {
	for _, p := range ps {
		if err := inferVectors(p.GetVectors()); err != nil {
			return err
		}
	}
	return nil
}

func inferVectors(vs *qdrant.Vectors) error {
	switch o := vs.GetVectorsOptions().(type) {
	case *qdrant.Vectors_Vector:
		return inferVector(o.Vector)
	case *qdrant.Vectors_Vectors:
		for _, v := range o.Vectors.GetVectors() {
			if err := inferVector(v); err != nil {
				return err
			}
		}
	}
	return nil
}

func inferVector(v *qdrant.Vector) error {
	switch o := v.GetVector().(type) {
	case *qdrant.Vector_Document:
		a, err := bm25(o.Document)
		if err != nil {
			return err
		}
		d := a.Document(o.Document.GetText())
		v.Vector = &qdrant.Vector_Sparse{Sparse: &qdrant.SparseVector{Indices: d.Indices, Values: d.Values}}
	case *qdrant.Vector_Image, *qdrant.Vector_Object:
		return errNoInference
	}
	return nil
}

// inferQuery replaces the documents in p and its prefetches. A wrong option is
// an internal error there, as it is on the server.
func inferQuery(p *qdrant.PrefetchQuery) error {
	var few [1]*qdrant.VectorInput
	for _, in := range vectorInputs(few[:0], p.GetQuery()) {
		switch o := in.GetVariant().(type) {
		case *qdrant.VectorInput_Document:
			a, err := bm25(o.Document)
			if status.Code(err) == codes.InvalidArgument {
				err = status.Error(codes.Internal, "Service internal error: "+status.Convert(err).Message())
			}
			if err != nil {
				return err
			}
			q := a.Query(o.Document.GetText())
			in.Variant = &qdrant.VectorInput_Sparse{Sparse: &qdrant.SparseVector{Indices: q.Indices, Values: q.Values}}
		case *qdrant.VectorInput_Image, *qdrant.VectorInput_Object:
			return errNoInference
		}
	}
	for _, sub := range p.GetPrefetch() {
		if err := inferQuery(sub); err != nil {
			return err
		}
	}
	return nil
}

// bm25 returns the analyzer that a document asks for.
func bm25(d *qdrant.Document) (*lexical.Analyzer, error) {
	switch strings.ToLower(d.GetModel()) {
	case "qdrant/bm25", "bm25":
	default:
		return nil, errNoInference
	}
	p := lexical.Default()
	for name, v := range d.GetOptions() {
		if err := bm25Option(&p, name, v); err != nil {
			return nil, err
		}
	}
	if p.Language != "none" {
		language, err := knownLanguage(p.Language)
		if err != nil {
			return nil, err
		}
		if language == "" {
			return nil, unsupported("the BM25 language " + p.Language)
		}
		p.Language = language
	}
	a, err := lexical.New(p)
	if err != nil {
		return nil, invalid("Invalid BM25 config: %v", err)
	}
	return a, nil
}

func bm25Option(p *lexical.Params, name string, v *qdrant.Value) error {
	bad := invalid("Invalid BM25 config: option %s has a value of the wrong type", name)
	text, isText := v.GetKind().(*qdrant.Value_StringValue)
	flag, isFlag := v.GetKind().(*qdrant.Value_BoolValue)
	switch name {
	case "k", "b", "avg_len":
		n, ok := number(v)
		if !ok {
			return bad
		}
		*map[string]*float64{"k": &p.K, "b": &p.B, "avg_len": &p.AvgLen}[name] = n
	case "language":
		if !isText {
			return bad
		}
		p.Language = text.StringValue
	case "tokenizer":
		if !isText {
			return bad
		}
		if text.StringValue != "word" {
			return unsupported("the BM25 tokenizer " + text.StringValue)
		}
	case "lowercase", "ascii_folding":
		if !isFlag {
			return bad
		}
		if flag.BoolValue != (name == "lowercase") {
			return unsupported("the BM25 option " + name + " with another value than its default")
		}
	default:
		return unsupported("the BM25 option " + name)
	}
	return nil
}

// languageCodes are the two-letter names of the languages that can be analysed.
var languageCodes = map[string]string{
	"da": "danish", "nl": "dutch", "en": "english", "fi": "finnish", "fr": "french", "de": "german", "hu": "hungarian",
	"it": "italian", "no": "norwegian", "pt": "portuguese", "ru": "russian", "es": "spanish", "sv": "swedish", "tr": "turkish",
}

// otherLanguages are known to the server but cannot be analysed here.
var otherLanguages = map[string]bool{
	"arabic": true, "ar": true, "armenian": true, "hy": true, "azerbaijani": true, "az": true, "basque": true, "eu": true,
	"bengali": true, "bn": true, "catalan": true, "ca": true, "chinese": true, "zh": true, "greek": true, "el": true,
	"hebrew": true, "he": true, "hinglish": true, "hi-en": true, "indonesian": true, "id": true, "japanese": true, "jp": true,
	"kazakh": true, "kk": true, "nepali": true, "ne": true, "romanian": true, "ro": true, "slovene": true, "sl": true,
	"tajik": true, "tg": true, "tamil": true, "ta": true,
}

// knownLanguage returns the full name of a language, "" if the server does not
// know it either.
func knownLanguage(name string) (string, error) {
	name = strings.ToLower(name)
	if full, ok := languageCodes[name]; ok {
		return full, nil
	}
	for _, l := range languageCodes {
		if l == name {
			return l, nil
		}
	}
	if otherLanguages[name] {
		return "", unsupported("text analysis of the language " + name)
	}
	return "", nil
}
