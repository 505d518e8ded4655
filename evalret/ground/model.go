package ground

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"sync"
)

// Model turns the features of a claim into its support: a logistic regression
// whose weights are limited, so that a finding always lowers a support and
// coverage never does (see limits).
type Model struct {
	Format    string             `json:"format"`    // modelFormat
	Fitted    []string           `json:"fitted_on"` // names of the sets
	Claims    int                `json:"claims"`    // how many claims they have
	Intercept float64            `json:"intercept"`
	Weights   map[string]float64 `json:"weights"` // by feature; a feature without one has no influence
}

// modelFormat changes when a feature changes its meaning.
const modelFormat = "ragloop-ground-2"

// defaultModel is what [NewLexical] uses: fitted by "ragloop ground fit" on the
// sets that it names, responses that people judged.
//
//go:embed model.json
var defaultModel []byte

var loadDefault = sync.OnceValues(func() (*model, error) {
	m, err := ReadModel(defaultModel)
	if err != nil {
		return nil, fmt.Errorf("built-in model: %w", err)
	}
	return m.compile()
})

// ReadModel reads what [Model.Write] writes. Unknown features and formats, and
// weights beyond a million, are errors.
func ReadModel(data []byte) (Model, error) {
	var m Model
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return Model{}, fmt.Errorf("read groundedness model: %w", err)
	}
	if _, err := m.compile(); err != nil {
		return Model{}, err
	}
	return m, nil
}

// Write returns the model as JSON: the same bytes for the same model.
func (m Model) Write() ([]byte, error) {
	b, err := json.MarshalIndent(m, "", "  ") // maps are written in order of their keys
	if err != nil {
		return nil, fmt.Errorf("write groundedness model: %w", err)
	}
	return append(b, '\n'), nil
}

// model is a Model ready to use.
type model struct {
	intercept   float64
	weights     vector
	fingerprint string
}

func (m Model) compile() (*model, error) {
	if m.Format != modelFormat {
		return nil, fmt.Errorf("read groundedness model: format is %q, want %q", m.Format, modelFormat)
	}
	out := &model{intercept: m.Intercept}
	for name, w := range m.Weights {
		i := slices.Index(featureNames[:], name)
		if i < 0 {
			return nil, fmt.Errorf("read groundedness model: feature %q is not one of %q", name, featureNames)
		}
		out.weights[i] = w
	}
	for _, w := range append(out.weights[:], m.Intercept) {
		if !(math.Abs(w) <= mostWeight) {
			return nil, fmt.Errorf("read groundedness model: a weight is %v, want -%v to %v", w, mostWeight, mostWeight)
		}
	}
	b, err := m.Write()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b)
	out.fingerprint = "lexical/" + hex.EncodeToString(sum[:8])
	return out, nil
}

// support returns the support of a claim with these features: 0..1.
func (m *model) support(f *vector) float64 { return logistic(m.margin(f)) }

func (m *model) margin(f *vector) float64 {
	z := m.intercept
	for i, w := range m.weights {
		z += float64(w * f[i]) // the conversion keeps the product from being fused: the same bits everywhere
	}
	return z
}

func logistic(z float64) float64 { return 1 / (1 + math.Exp(-z)) }

// limits are the least and the greatest weight of each feature. Coverage never
// lowers a support, and a finding of the checks always lowers it by as much as
// leastEffect at least: people's labels, which are of few such cases, would give
// some checks no weight at all, and then nobody would see what they found.
var limits = func() (l [features]struct{ lo, hi float64 }) {
	for j := range l {
		l[j].lo, l[j].hi = -maxWeight, maxWeight
	}
	for _, j := range []feature{fWords, fCover, fBigram, fTrigram, fWindow1, fWindow3, fRun, fCopied, fAgree, fAgreeLeast, fMissingChar, fNameCover, fSynonyms} {
		l[j].lo = 0
	}
	for _, j := range []feature{fMissing, fRarest, fReplaced, fSwapped, fInserted, fPersonal, fName, fMisplaced, fOpposed, fOpposedAbout} {
		l[j].hi = 0
	}
	for _, j := range []feature{fNumber, fDate, fUnit, fQuote, fNegation, fAntonym, fDenied} {
		l[j].hi = -leastEffect
	}
	return l
}()

const (
	mostWeight  = 1e6 // of a model that is read: their sum stays finite
	maxWeight   = 20
	leastEffect = 0.5 // of a finding, in log odds: they fall by two fifths
)
