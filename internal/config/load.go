package config

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

const (
	// OriginDefault is the origin of a value that nobody set.
	OriginDefault = "default"
	envPrefix     = "RAGLOOP_"
)

// reserved are RAGLOOP_ variables that are no settings: the tests read them.
var reserved = []string{"RAGLOOP_DATA", "RAGLOOP_QDRANT"}

// Loaded is a checked configuration and where each value came from.
type Loaded struct {
	Config Config
	// Origin maps every key to "default", "FILE:LINE", "environment NAME" or "flag".
	Origin map[string]string
}

// Load reads the file (skipped when path is empty), the environment (entries
// "NAME=value", as from [os.Environ]) and the flags (by key), in rising
// precedence, and checks the result. Errors name key, origin and what is allowed.
func Load(path string, environ []string, flags map[string]string) (*Loaded, error) {
	l := &Loaded{Config: Default(), Origin: map[string]string{}}
	fields := fieldsOf(&l.Config)
	byKey := make(map[string]field, len(fields))
	for _, f := range fields {
		byKey[f.key] = f
		l.Origin[f.key] = OriginDefault
	}
	if path != "" {
		if err := l.readFile(path, byKey); err != nil {
			return nil, err
		}
	}
	if err := l.readEnv(environ, fields); err != nil {
		return nil, err
	}
	for _, key := range slices.Sorted(maps.Keys(flags)) {
		if err := l.set(byKey, key, flags[key], "flag"); err != nil {
			return nil, err
		}
	}
	// The default number of candidates is never below top_k.
	if r := &l.Config.Retrieve; l.Origin["retrieve.candidates"] == OriginDefault {
		r.Candidates = max(r.Candidates, min(r.TopK, 1000))
	}
	l.setRerankDefaults()
	if err := l.validate(); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *Loaded) set(byKey map[string]field, key, value, origin string) error {
	f, ok := byKey[key]
	if !ok {
		return &Error{Key: key, Origin: origin, Problem: "is no known key" + suggest(key, slices.Sorted(maps.Keys(byKey)))}
	}
	if err := f.parse(value); err != nil {
		return &Error{Key: key, Origin: origin, Problem: err.Error()}
	}
	l.Origin[key] = origin
	return nil
}

func (l *Loaded) readEnv(environ []string, fields []field) error {
	byEnv := make(map[string]field, len(fields))
	for _, f := range fields {
		byEnv[f.env()] = f
	}
	for _, kv := range slices.Sorted(slices.Values(environ)) {
		name, value, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, envPrefix) || slices.Contains(reserved, name) {
			continue
		}
		origin := "environment " + name
		f, ok := byEnv[name]
		if !ok {
			return &Error{Key: name, Origin: "environment", Problem: "is no known variable" + suggest(name, slices.Sorted(maps.Keys(byEnv)))}
		}
		if err := f.parse(value); err != nil {
			return &Error{Key: f.key, Origin: origin, Problem: err.Error()}
		}
		l.Origin[f.key] = origin
	}
	return nil
}

func (l *Loaded) readFile(path string, byKey map[string]field) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	defer f.Close()
	var root yaml.Node
	dec := yaml.NewDecoder(f)
	switch err := dec.Decode(&root); {
	case errors.Is(err, io.EOF): // an empty file sets nothing
		return nil
	case err != nil:
		return fmt.Errorf("read configuration %s: %w", path, err)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("read configuration %s: one YAML document expected, found more", path)
	}
	return l.walk(path, "", root.Content[0], byKey)
}

func (l *Loaded) walk(path, prefix string, n *yaml.Node, byKey map[string]field) error {
	at := fmt.Sprintf("%s:%d", path, n.Line)
	if n.Kind != yaml.MappingNode {
		if prefix == "" {
			return fmt.Errorf("read configuration %s: must be a mapping of keys to values", at)
		}
		return &Error{Key: strings.TrimSuffix(prefix, "."), Origin: at, Problem: "must be a mapping of keys to values"}
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		key := prefix + name.Value
		at := fmt.Sprintf("%s:%d", path, name.Line)
		if seen[key] {
			return &Error{Key: key, Origin: at, Problem: "is given twice"}
		}
		seen[key] = true
		if isSection(key, byKey) {
			if err := l.walk(path, key+".", value, byKey); err != nil {
				return err
			}
			continue
		}
		text := value.Value
		if f, known := byKey[key]; known {
			var problem string
			if text, problem = f.scalar(value); problem != "" {
				return &Error{Key: key, Origin: at, Problem: problem}
			}
		}
		if err := l.set(byKey, key, text, at); err != nil {
			return err
		}
	}
	return nil
}

func isSection(key string, byKey map[string]field) bool {
	for k := range byKey {
		if strings.HasPrefix(k, key+".") {
			return true
		}
	}
	return false
}

// field is one leaf of Config.
type field struct {
	key, doc string
	secret   bool
	v        reflect.Value
}

func (f field) env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(f.key, ".", "_"))
}

// fieldsOf lists the leaves of c in declaration order.
func fieldsOf(c *Config) []field {
	var out []field
	var walk func(prefix string, v reflect.Value)
	walk = func(prefix string, v reflect.Value) {
		for i := range v.NumField() {
			t := v.Type().Field(i)
			key := prefix + t.Tag.Get("yaml")
			if t.Type.Kind() == reflect.Struct {
				walk(key+".", v.Field(i))
				continue
			}
			out = append(out, field{key: key, doc: t.Tag.Get("doc"), secret: t.Tag.Get("secret") != "", v: v.Field(i)})
		}
	}
	walk("", reflect.ValueOf(c).Elem())
	return out
}

func (f field) parse(s string) error {
	switch p := f.v.Addr().Interface().(type) {
	case *string:
		*p = s
	case *bool:
		b, err := strconv.ParseBool(s)
		if err != nil {
			return fmt.Errorf("is %q, allowed are true and false", s)
		}
		*p = b
	case *int:
		n, err := strconv.Atoi(s)
		if err != nil {
			return fmt.Errorf("is %q, a whole number is expected", s)
		}
		*p = n
	case *float64:
		x, err := strconv.ParseFloat(s, 64)
		if err != nil || x != x {
			return fmt.Errorf("is %q, a number is expected", s)
		}
		*p = x
	case *[]string:
		*p = splitList(s)
	case *time.Duration:
		d, err := time.ParseDuration(s)
		if err != nil {
			return fmt.Errorf("is %q, a duration such as 10s or 2m is expected", s)
		}
		*p = d
	default:
		// unreachable: TestEveryFieldParses walks all fields.
		return fmt.Errorf("has a type that cannot be set")
	}
	return nil
}

// splitList reads a list as the environment and flags give it, parted by commas.
func splitList(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

// scalar returns the value of a YAML node as parse wants it. problem says why
// it has none.
func (f field) scalar(n *yaml.Node) (value, problem string) {
	if _, list := f.v.Interface().([]string); !list || n.Kind != yaml.SequenceNode {
		if n.Kind == yaml.ScalarNode {
			return n.Value, ""
		}
		if list {
			return "", "must be a list of single values"
		}
		return "", "must be a single value"
	}
	var parts []string
	for _, c := range n.Content {
		switch {
		case c.Kind != yaml.ScalarNode:
			return "", "must be a list of single values"
		case strings.Contains(c.Value, ","):
			return "", fmt.Sprintf("holds %q, but no part of a list may have a comma", c.Value)
		case c.Value == "":
			return "", "holds an empty value"
		}
		parts = append(parts, c.Value)
	}
	return strings.Join(parts, ","), ""
}

// suggest returns ", did you mean …?" for the nearest of names, or lists nothing
// when none is near.
func suggest(name string, names []string) string {
	best, bestDist := "", len(name)/3+2
	for _, n := range names {
		if d := editDistance(name, n); d < bestDist {
			best, bestDist = n, d
		}
	}
	if best == "" {
		return ", see \"ragloop config keys\""
	}
	return fmt.Sprintf(", did you mean %s?", best)
}

// editDistance is Levenshtein's, over bytes: keys are ASCII.
func editDistance(a, b string) int {
	prev := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := range len(a) {
		diag := prev[0]
		prev[0] = i + 1
		for j := range len(b) {
			cost := diag
			if a[i] != b[j] {
				cost++
			}
			diag = prev[j+1]
			prev[j+1] = min(cost, prev[j]+1, prev[j+1]+1)
		}
	}
	return prev[len(b)]
}
