// Package webpage writes self-contained HTML pages that look alike.
//
// A page loads nothing: style and script are inside, and its content security
// policy allows exactly those bytes. The common style has the colours of light
// and dark, headings, tiles, plain tables and what is needed to print; a page
// adds its own.
package webpage

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html"
	"io"
)

//go:embed base.css
var base string

// Page is the content of a page.
type Page struct {
	Title  string
	Style  string // behind the common style
	Script string
	Body   []byte // HTML that is safe to show, as html/template makes it
}

// Write writes p. Equal pages are equal bytes.
//
// The head is not a template: the policy names the hashes of exactly the bytes
// between the style and script tags.
func Write(w io.Writer, p Page) error {
	style := base + p.Style
	policy := fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; base-uri 'none'; form-action 'none'", hash(style), hash(p.Script))
	_, err := fmt.Fprintf(w, `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="%s">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="ragloop">
<title>%s</title>
<style>%s</style>
</head>
<body>
%s<script>%s</script>
</body>
</html>
`, policy, html.EscapeString(p.Title), style, p.Body, p.Script)
	if err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	return nil
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
