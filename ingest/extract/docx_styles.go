package extract

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxListLevel is the deepest list level, from 0, that Word has.
const maxListLevel = 8

// maxLabelBytes bounds the text in which the number of a list item stands.
const maxLabelBytes = 64

// docxStyle is what a paragraph style says about structure, with what it
// inherits resolved.
type docxStyle struct {
	outline int // outline level 0..8, or -1
	title   bool
	numID   string
	level   int
	basedOn string
}

// readStyles returns the paragraph styles by id. A paragraph without a style,
// or of an unknown one, has the style under "".
func readStyles(ctx context.Context, pkg *zipPackage, part string) (map[string]docxStyle, error) {
	styles := map[string]docxStyle{"": {outline: -1}}
	x, err := pkg.xml(ctx, part)
	if err != nil {
		return nil, err
	}
	if x == nil {
		// Without definitions only the ids of the built-in styles tell.
		for n := 1; n <= 9; n++ {
			styles["Heading"+strconv.Itoa(n)] = docxStyle{outline: n - 1}
		}
		styles["Title"] = docxStyle{outline: -1, title: true}
		return styles, nil
	}
	id, s := "", docxStyle{}
	for {
		tok, err := x.token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", part, err)
		}
		switch t := tok.(type) {
		case xml.StartElement:
			switch t.Name.Local {
			case "style":
				id, s = xmlAttr(t, "styleId"), docxStyle{outline: -1}
			case "name":
				// Ids are translated, the names of built-in styles are not.
				name := strings.ToLower(xmlAttr(t, "val"))
				if n, ok := strings.CutPrefix(name, "heading "); ok && s.outline < 0 {
					s.outline = atoiOr(n, 0) - 1
				}
				s.title = name == "title"
			case "basedOn":
				s.basedOn = xmlAttr(t, "val")
			case "outlineLvl":
				s.outline = atoiOr(xmlAttr(t, "val"), -1)
			case "numId":
				s.numID = xmlAttr(t, "val")
			case "ilvl":
				s.level = min(max(atoiOr(xmlAttr(t, "val"), 0), 0), maxListLevel)
			}
		case xml.EndElement:
			if t.Name.Local == "style" && id != "" {
				styles[id] = s
			}
		}
	}
	resolved := make(map[string]docxStyle, len(styles))
	for id := range styles {
		resolved[id] = resolveStyle(styles, id)
	}
	return resolved, nil
}

// resolveStyle returns style id with what it leaves open taken from the styles
// it is based on.
func resolveStyle(styles map[string]docxStyle, id string) docxStyle {
	const maxInheritance = 16 // a chain may be a cycle
	s := styles[id]
	base := s.basedOn
	for range maxInheritance {
		b, ok := styles[base]
		if base == "" || !ok {
			break
		}
		if s.outline < 0 {
			s.outline = b.outline
		}
		if s.numID == "" {
			s.numID, s.level = b.numID, b.level
		}
		base = b.basedOn
	}
	return s
}

// numbering generates the labels of list items, as numbering.xml defines them.
type numbering struct {
	abstract map[string]map[int]listLevel // by abstract numbering id and level
	of       map[string]string            // numbering id to abstract numbering id
	restarts map[string]bool              // numberings that count for themselves
	counts   map[string]*[maxListLevel + 1]int
}

// listLevel is the format of one level of a list.
type listLevel struct {
	format string // w:numFmt
	text   string // w:lvlText: "%1.%2" stands for the numbers of levels 0 and 1
	start  int
}

func readNumbering(ctx context.Context, pkg *zipPackage, part string) (*numbering, error) {
	n := &numbering{
		abstract: map[string]map[int]listLevel{}, of: map[string]string{},
		restarts: map[string]bool{}, counts: map[string]*[maxListLevel + 1]int{},
	}
	x, err := pkg.xml(ctx, part)
	if err != nil || x == nil {
		return n, err
	}
	abstract, num, level := "", "", 0
	for {
		tok, err := x.token()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", part, err)
		}
		t, ok := tok.(xml.StartElement)
		if !ok {
			if end, ok := tok.(xml.EndElement); ok {
				switch end.Name.Local {
				case "abstractNum":
					abstract = ""
				case "num":
					num = ""
				}
			}
			continue
		}
		switch t.Name.Local {
		case "abstractNum":
			abstract = xmlAttr(t, "abstractNumId")
			n.abstract[abstract] = map[int]listLevel{}
		case "num":
			num = xmlAttr(t, "numId")
		case "abstractNumId":
			if num != "" {
				n.of[num] = xmlAttr(t, "val")
			}
		case "startOverride":
			if num != "" {
				n.restarts[num] = true
			}
		case "lvl":
			level = atoiOr(xmlAttr(t, "ilvl"), 0)
			if abstract != "" {
				n.abstract[abstract][level] = listLevel{start: 1, format: "decimal"}
			}
		case "numFmt", "lvlText", "start":
			if l, ok := n.abstract[abstract][level]; ok {
				switch v := xmlAttr(t, "val"); t.Name.Local {
				case "numFmt":
					l.format = v
				case "lvlText":
					l.text = strings.ToValidUTF8(v[:min(len(v), maxLabelBytes)], "")
				case "start":
					l.start = atoiOr(v, 1)
				}
				n.abstract[abstract][level] = l
			}
		}
	}
}

// next counts one item of numbering numID at a level and returns its label:
// "-" for a bullet, "" where the paragraph is no list item.
func (n *numbering) next(numID string, level int) (label string, bullet bool) {
	if numID == "" || numID == "0" {
		return "", false
	}
	levels := n.abstract[n.of[numID]]
	l, ok := levels[level]
	if !ok || l.format == "bullet" {
		return "-", true
	}
	if l.format == "none" {
		return "", false
	}
	key := "abstract " + n.of[numID]
	if n.restarts[numID] {
		key = "num " + numID
	}
	counts := n.counts[key]
	if counts == nil {
		counts = new([maxListLevel + 1]int)
		n.counts[key] = counts
	}
	counts[level]++
	clear(counts[level+1:])
	label = l.text
	for i := range level + 1 {
		number := max(counts[i], 1) + levels[i].start - 1
		label = strings.ReplaceAll(label, "%"+strconv.Itoa(i+1), formatNumber(number, levels[i].format))
	}
	return strings.TrimSpace(label), false
}

// formatNumber writes n in a number format of WordprocessingML; formats other
// than letters and Roman numerals are written in digits.
func formatNumber(n int, format string) string {
	switch format {
	case "lowerLetter", "upperLetter":
		if n < 1 || n > 26*30 {
			break
		}
		letter := rune('a' + (n-1)%26)
		if format == "upperLetter" {
			letter = rune('A' + (n-1)%26)
		}
		return strings.Repeat(string(letter), (n-1)/26+1)
	case "lowerRoman":
		return strings.ToLower(roman(n))
	case "upperRoman":
		return roman(n)
	}
	return strconv.Itoa(n)
}

func roman(n int) string {
	if n < 1 || n > 3999 {
		return strconv.Itoa(n)
	}
	var b strings.Builder
	for _, d := range []struct {
		value  int
		symbol string
	}{
		{1000, "M"}, {900, "CM"}, {500, "D"}, {400, "CD"}, {100, "C"}, {90, "XC"},
		{50, "L"}, {40, "XL"}, {10, "X"}, {9, "IX"}, {5, "V"}, {4, "IV"}, {1, "I"},
	} {
		for n >= d.value {
			b.WriteString(d.symbol)
			n -= d.value
		}
	}
	return b.String()
}
