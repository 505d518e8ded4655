package metric

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ErrUnknown is wrapped by [Parse] and [Metric.Validate] for a name that is
// no metric.
var ErrUnknown = errors.New("unknown metric")

// Parse reads a metric's name: NAME, NAME@K, NAME@Bt, NAME@A..Bt, each optionally
// followed by one parameter in parentheses, as in "(rel=2)" or "(theta=1)". The
// parameter may also stand before the cut-off, as ir-measures writes it. Names are case
// sensitive. Parse(m.String()) is m. Errors say what is allowed.
func Parse(s string) (Metric, error) {
	m, err := parse(s)
	if err != nil {
		return Metric{}, fmt.Errorf("parse metric %q: %w", s, err)
	}
	return m, nil
}

// ParseList reads metrics separated by commas and refuses duplicates.
func ParseList(s string) ([]Metric, error) {
	var ms []Metric
	seen := map[Metric]bool{}
	for part := range strings.SplitSeq(s, ",") {
		m, err := Parse(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		if seen[m] {
			return nil, fmt.Errorf("parse metrics: %s is given twice", m)
		}
		seen[m] = true
		ms = append(ms, m)
	}
	return ms, nil
}

func parse(s string) (Metric, error) {
	rest, param := s, ""
	if i := strings.IndexByte(s, '('); i >= 0 {
		length := strings.IndexByte(s[i:], ')')
		after := s[i+length+1:]
		if length < 0 || after != "" && after[0] != '@' || strings.Contains(s[:i], "@") && after != "" {
			return Metric{}, errors.New("parameters must end in \")\"")
		}
		rest, param = s[:i]+after, s[i+1:i+length]
		if param == "" {
			return Metric{}, errors.New("empty parameters; allowed: (rel=N), (theta=X), (recall=X) or (gain=exp)")
		}
	}
	name, cut, hasCut := strings.Cut(rest, "@")
	m := Metric{Name: name}
	if _, ok := m.Definition(); !ok {
		return Metric{}, unknown(name)
	}
	if hasCut {
		digits, tokens := strings.CutSuffix(cut, "t")
		if tokens {
			m.Unit = Tokens
		}
		first, last, isRange := strings.Cut(digits, "..")
		if !isRange {
			last = first
		}
		var ok bool
		if m.At, ok = positive(last); !ok {
			return Metric{}, fmt.Errorf("cut-off %q: want a whole number from 1, followed by t for a token budget", cut)
		}
		if isRange {
			if m.From, ok = positive(first); !ok {
				return Metric{}, fmt.Errorf("cut-off %q: want a range of token budgets as in \"512..4096t\"", cut)
			}
		}
	}
	if param != "" {
		var keys []string
		for p := range strings.SplitSeq(param, ",") {
			key, value, _ := strings.Cut(p, "=")
			if slices.Contains(keys, key) {
				return Metric{}, fmt.Errorf("the parameter %s is given twice", key)
			}
			keys = append(keys, key)
			if err := m.set(key, value); err != nil {
				return Metric{}, err
			}
		}
	}
	if err := m.Validate(); err != nil {
		return Metric{}, err
	}
	if m.Rel == defaultRel {
		m.Rel = 0
	}
	if m.Theta == defaultTheta {
		m.Theta = 0
	}
	if m.Gain == Linear {
		m.Gain = ""
	}
	return m, nil
}

// positive reads a whole number from 1 in its one spelling.
func positive(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 1 && s[0] != '0' && s[0] != '+'
}

func (m *Metric) set(key, value string) error {
	switch key {
	case "rel":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			return fmt.Errorf("rel=%q: want a whole number from 1", value)
		}
		m.Rel = n
	case "theta":
		x, err := strconv.ParseFloat(value, 64)
		if err != nil || !(x > 0 && x <= 1) {
			return fmt.Errorf("theta=%q: want a number greater than 0 and at most 1", value)
		}
		m.Theta = x
	case "recall":
		if d, _ := m.Definition(); !d.Recall { // Validate cannot tell recall=0 from none
			return fmt.Errorf("%s takes no parameter recall", m.Name)
		}
		x, err := strconv.ParseFloat(value, 64)
		if err != nil || !(x >= 0 && x <= 1) {
			return fmt.Errorf("recall=%q: want a number from 0 to 1", value)
		}
		m.Recall = x + 0 // no negative zero
	case "gain":
		if value != string(Linear) && value != string(Exponential) {
			return fmt.Errorf("gain=%q: want %s or %s", value, Linear, Exponential)
		}
		m.Gain = Gain(value)
	default:
		return fmt.Errorf("unknown parameter %q; allowed: rel, theta, recall, gain", key)
	}
	return nil
}

// Validate checks name, cut-off and parameters of a metric made as a literal.
func (m Metric) Validate() error {
	d, ok := m.Definition()
	if !ok {
		return unknown(m.Name)
	}
	switch {
	case m.At < 0:
		return fmt.Errorf("cut-off %d: want a whole number from 1", m.At)
	case m.At == 0 && m.Unit == Tokens:
		return errors.New("a token budget needs a number, as in \"@1024t\"")
	case m.At == 0 && d.Cut == RequiredItems:
		return fmt.Errorf("%s needs a cut-off, as in %q", m.Name, m.Name+"@10")
	case m.At == 0 && d.Cut == ItemsOrTokens:
		return fmt.Errorf("%s needs a cut-off, as in %q (chunks) or %q (tokens)", m.Name, m.Name+"@5", m.Name+"@1024t")
	case m.At == 0 && d.Cut == RequiredTokens:
		return fmt.Errorf("%s needs a token budget, as in %q", m.Name, m.Name+"@1024t")
	case d.Cut == TokenRange && (m.From <= 0 || m.Unit != Tokens):
		return fmt.Errorf("%s needs a range of token budgets, as in %q", m.Name, m.Name+"@512..4096t")
	case m.From != 0 && d.Cut != TokenRange:
		return fmt.Errorf("%s takes no range of budgets", m.Name)
	case d.Cut == TokenRange && !doubles(m.From, m.At):
		return fmt.Errorf("range %d..%d: the last budget must be the first doubled once or more, as in 512..4096", m.From, m.At)
	case m.At > 0 && d.Cut == NoCut:
		return fmt.Errorf("%s takes no cut-off", m.Name)
	case m.Unit == Items && d.Cut == RequiredTokens:
		return fmt.Errorf("%s takes a token budget only, as in %q", m.Name, m.Name+"@1024t")
	case m.Unit == Tokens && d.Cut != ItemsOrTokens && d.Cut != RequiredTokens && d.Cut != TokenRange:
		return fmt.Errorf("%s takes no token budget; it ranks documents, as in %q", m.Name, m.Name+"@10")
	case m.Unit == Items && m.At > MaxItems:
		return fmt.Errorf("cut-off %d: at most %d", m.At, MaxItems)
	case m.Unit == Tokens && m.At > MaxTokens:
		return fmt.Errorf("token budget %d: at most %d", m.At, MaxTokens)
	case m.Rel != 0 && !d.Rel:
		return fmt.Errorf("%s takes no parameter rel", m.Name)
	case m.Rel < 0:
		return fmt.Errorf("rel=%d: want a whole number from 1", m.Rel)
	case m.Theta != 0 && !d.Theta:
		return fmt.Errorf("%s takes no parameter theta", m.Name)
	case m.Theta != 0 && !(m.Theta > 0 && m.Theta <= 1):
		return fmt.Errorf("theta=%v: want a number greater than 0 and at most 1", m.Theta)
	case m.Recall != 0 && !d.Recall:
		return fmt.Errorf("%s takes no parameter recall", m.Name)
	case !(m.Recall >= 0 && m.Recall <= 1):
		return fmt.Errorf("recall=%v: want a number from 0 to 1", m.Recall)
	case m.Gain != "" && !d.Gain:
		return fmt.Errorf("%s takes no parameter gain", m.Name)
	case m.Gain != "" && m.Gain != Linear && m.Gain != Exponential:
		return fmt.Errorf("gain=%q: want %s or %s", string(m.Gain), Linear, Exponential)
	}
	return nil
}

// doubles reports whether last is first doubled once or more.
func doubles(first, last int) bool {
	for first > 0 && first < last {
		if first *= 2; first == last {
			return true
		}
	}
	return false
}

func unknown(name string) error {
	var names []string
	hint := ""
	for _, d := range definitions {
		names = append(names, d.Name)
		if strings.EqualFold(d.Name, name) {
			hint = fmt.Sprintf(" (names are case sensitive: %s)", d.Name)
		}
	}
	return fmt.Errorf("%w %q%s; allowed: %s", ErrUnknown, name, hint, strings.Join(names, ", "))
}
