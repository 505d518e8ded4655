package convert

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// piece is the content of a token, which files state alone or in an object.
type piece string

func (p *piece) UnmarshalJSON(raw []byte) error {
	var object struct {
		Content string `json:"content"`
	}
	if json.Unmarshal(raw, (*string)(p)) == nil {
		return nil
	}
	err := json.Unmarshal(raw, &object)
	*p = piece(object.Content)
	return err
}

// special reports whether name is that of a special piece.
func special(name string) bool {
	for _, known := range specialPieces {
		if name == known {
			return true
		}
	}
	return false
}

// rules are the fields of tokenizer_config.json that change how a text is cut
// and that have one supported value.
type rules struct {
	Basic      *bool            `json:"do_basic_tokenize"`
	NeverSplit []string         `json:"never_split"`
	Truncation string           `json:"truncation_side"`
	Additional []piece          `json:"additional_special_tokens"`
	Added      map[string]piece `json:"added_tokens_decoder"` // by id
}

func (r rules) check() error {
	if r.Basic != nil && !*r.Basic {
		return errors.New("do_basic_tokenize is false, only true is supported")
	}
	if r.Truncation != "" && r.Truncation != "right" {
		return fmt.Errorf(`truncation_side is %q, only "right" is supported`, r.Truncation)
	}
	for _, name := range r.NeverSplit {
		if !special(name) {
			return fmt.Errorf("never_split has %q, supported are the special pieces of BERT only", name)
		}
	}
	for _, name := range r.Additional {
		if !special(string(name)) {
			return fmt.Errorf("additional_special_tokens has %q, supported are the special pieces of BERT only", name)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(r.Added)) {
		if name := r.Added[id]; !special(string(name)) {
			return fmt.Errorf("added_tokens_decoder has %q, supported are the special pieces of BERT only", name)
		}
	}
	return nil
}

// readAddedTokens makes sure that added_tokens.json adds nothing.
func readAddedTokens(dir string) error {
	const file = "added_tokens.json"
	var added map[string]int
	if _, err := readJSON(dir, file, false, &added); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(added)) {
		if !special(name) {
			return fmt.Errorf("read %s: it has %q, supported are the special pieces of BERT only", file, name)
		}
	}
	return nil
}

// processor is the post_processor of tokenizer.json: what stands around texts.
// One that is missing stands for BERT's own.
type processor struct {
	Type   string  `json:"type"`
	Single []place `json:"single"`
	Pair   []place `json:"pair"`
}

// place is a special piece or one of the texts, A and B; of the two fields one
// is set.
type place struct {
	Special  *framed `json:"SpecialToken"`
	Sequence *framed `json:"Sequence"`
}

type framed struct {
	ID   string `json:"id"`
	Type int    `json:"type_id"`
}

// templates are how BERT frames one text and two, as template writes them.
const (
	singleTemplate = "[CLS]:0 $A:0 [SEP]:0"
	pairTemplate   = "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1"
)

func (p processor) check() error {
	switch p.Type {
	case "", "BertProcessing":
		return nil
	case "TemplateProcessing":
	default:
		return fmt.Errorf(`post_processor.type is %q, supported are "BertProcessing" and "TemplateProcessing"`, p.Type)
	}
	if got := template(p.Single); got != singleTemplate {
		return fmt.Errorf("post_processor.single is %q, only %q is supported", got, singleTemplate)
	}
	if got := template(p.Pair); got != pairTemplate {
		return fmt.Errorf("post_processor.pair is %q, only %q is supported", got, pairTemplate)
	}
	return nil
}

// template writes places as tokenizers does in its documentation.
func template(places []place) string {
	var parts []string
	for _, p := range places {
		switch {
		case p.Special != nil:
			parts = append(parts, fmt.Sprintf("%s:%d", p.Special.ID, p.Special.Type))
		case p.Sequence != nil:
			parts = append(parts, fmt.Sprintf("$%s:%d", p.Sequence.ID, p.Sequence.Type))
		}
	}
	return strings.Join(parts, " ")
}
