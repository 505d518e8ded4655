package config

import (
	"fmt"
	"strings"
)

// Table returns the keys as a Markdown table: key, default, meaning; in
// declaration order. README holds a copy, and a test compares them.
func Table() string {
	c := Default()
	var b strings.Builder
	b.WriteString("| key | default | meaning |\n|---|---|---|\n")
	for _, f := range fieldsOf(&c) {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.key, code(f.text()), f.doc)
	}
	return b.String()
}

// Effective returns the configuration in force as YAML, each value with its
// origin as a comment. Secrets are masked.
func (l *Loaded) Effective() string {
	c := l.Config
	var b strings.Builder
	section := ""
	for _, f := range fieldsOf(&c) {
		name, indent := f.key, ""
		if s, leaf, ok := strings.Cut(f.key, "."); ok {
			if s != section {
				section = s
				fmt.Fprintf(&b, "%s:\n", s)
			}
			name, indent = leaf, "  "
		}
		v := f.text()
		if f.secret && v != "" {
			v = "********"
		}
		switch x := f.v.Interface().(type) {
		case string:
			v = fmt.Sprintf("%q", v)
		case []string:
			var parts []string
			for _, part := range x {
				parts = append(parts, fmt.Sprintf("%q", part))
			}
			v = "[" + strings.Join(parts, ", ") + "]"
		}
		fmt.Fprintf(&b, "%-42s # %s\n", indent+name+": "+v, l.Origin[f.key])
	}
	return b.String()
}

func (f field) text() string {
	if list, ok := f.v.Interface().([]string); ok {
		return strings.Join(list, ",")
	}
	return fmt.Sprint(f.v.Interface())
}

func code(s string) string {
	if s == "" {
		return "empty"
	}
	return "`" + s + "`"
}
