package extract

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/ragloop/ragloop/internal/meta"
)

// frontMatter is what stands between two lines "---" (YAML) or "+++" (TOML) at
// the start of a text, of which the first is the first line.
type frontMatter struct {
	length int // with its fences; 0 where there is none
	title  string
	meta   metadata
}

// maxFrontMatterBytes is the size of the longest front matter whose values are
// read.
const maxFrontMatterBytes = 64 << 10

// readFrontMatter reads the front matter of s.
//
// Of YAML, plain values are kept under their key with the type they have, lists
// of plain values as strings, and those of a mapping under its key and theirs,
// joined by a dot. "tags" are keywords. Of TOML, the strings, numbers, dates and
// truth values in front of the first table are kept.
func readFrontMatter(s string) frontMatter {
	first := lineEnd(s, 0)
	fence := strings.TrimRight(s[:first], " \t\r\n")
	separator := ":"
	switch fence {
	case "---":
	case "+++":
		separator = "="
	default:
		return frontMatter{}
	}
	for at := first; at < len(s); {
		end := lineEnd(s, at)
		line := strings.TrimRight(s[at:end], " \t\r\n")
		if line == fence || fence == "---" && line == "..." {
			f := frontMatter{length: end}
			f.read(s[first:at], separator)
			return f
		}
		if at == first && !strings.Contains(line, separator) && !strings.HasPrefix(line, "#") {
			return frontMatter{} // the fence was a thematic break
		}
		at = end
	}
	return frontMatter{}
}

// read reads the lines between the fences.
func (f *frontMatter) read(body, separator string) {
	switch {
	case len(body) > maxFrontMatterBytes:
		f.meta.refuse("front matter", fmt.Errorf("%d bytes, the limit is %d", len(body), maxFrontMatterBytes))
	case separator == "=":
		f.lines(body, separator, f.set)
	default:
		var root yaml.Node
		if err := yaml.Unmarshal([]byte(body), &root); err != nil {
			f.meta.refuse("front matter", fmt.Errorf("not YAML: %s", oneLine(err.Error())))
			f.lines(body, separator, func(key string, v meta.Value) {
				if key == "title" {
					f.set(key, v)
				}
			})
			return
		}
		if len(root.Content) > 0 && root.Content[0].Kind == yaml.MappingNode {
			f.mapping("", root.Content[0], 0)
		}
	}
}

// lines calls set for each line "key: value" in front of the first table.
func (f *frontMatter) lines(body, separator string, set func(string, meta.Value)) {
	for line := range strings.SplitSeq(body, "\n") {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			return
		}
		key, value, ok := strings.Cut(line, separator)
		key, value = unquote(strings.TrimSpace(key)), strings.TrimSpace(value)
		switch {
		case !ok || strings.HasPrefix(line, "#") || strings.HasPrefix(value, "[") || strings.HasPrefix(value, "{"):
		case unquote(value) != value:
			set(key, meta.OfString(unquote(value)))
		default:
			set(key, scalar(value))
		}
	}
}

// set keeps a value; the title apart.
func (f *frontMatter) set(key string, v meta.Value) {
	switch key {
	case "title":
		f.title = v.Text()
	case "tags", metaKeywords:
		if v.Kind == meta.Strings {
			f.meta.add(metaKeywords, v.Strings...)
		} else {
			f.meta.add(metaKeywords, splitKeywords(v.Text())...)
		}
	case metaAuthor:
		if v.Kind == meta.Strings {
			f.meta.add(key, v.Strings...)
		} else {
			f.meta.add(key, v.Text())
		}
	default:
		f.meta.set(key, v)
	}
}

// mapping keeps the values of a YAML mapping under prefix.
func (f *frontMatter) mapping(prefix string, n *yaml.Node, depth int) {
	const maxDepth = 8
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := prefix+n.Content[i].Value, n.Content[i+1]
		switch {
		case value.Kind == yaml.MappingNode && depth < maxDepth:
			f.mapping(key+".", value, depth+1)
		case value.Kind == yaml.ScalarNode:
			if value.ShortTag() != "!!null" {
				f.set(key, yamlScalar(value))
			}
		case value.Kind == yaml.SequenceNode:
			var list []string
			for _, e := range value.Content {
				if e.Kind == yaml.ScalarNode && e.ShortTag() != "!!null" {
					list = append(list, e.Value)
				}
			}
			if len(list) < len(value.Content) {
				f.meta.refuse(key, fmt.Errorf("a list of other than plain values"))
				continue
			}
			f.set(key, meta.OfStrings(list))
		default:
			f.meta.refuse(key, fmt.Errorf("nested too deep, or an alias"))
		}
	}
}

// yamlScalar returns a plain value with its type.
func yamlScalar(n *yaml.Node) meta.Value {
	switch n.ShortTag() {
	case "!!int":
		var v int64
		if n.Decode(&v) == nil {
			return meta.OfInteger(v)
		}
	case "!!bool":
		var v bool
		if n.Decode(&v) == nil {
			return meta.OfBool(v)
		}
	case "!!float", "!!timestamp":
		if v := scalar(n.Value); v.Kind == meta.Float || v.Kind == meta.Integer || v.Kind == meta.Time {
			return v
		}
	}
	return meta.OfString(n.Value)
}

// unquote removes a pair of quotation marks around s.
func unquote(s string) string {
	if n := len(s); n >= 2 && (s[0] == '"' || s[0] == '\'') && s[n-1] == s[0] {
		return s[1 : n-1]
	}
	return s
}
