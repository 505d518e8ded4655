package report

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html"
	"html/template"
	"io"
)

//go:embed assets/*.html
var templates embed.FS

//go:embed assets/style.css
var style string

//go:embed assets/script.js
var script string

// pages holds the parsed templates; they are part of the program.
var pages = template.Must(template.ParseFS(templates, "assets/*.html"))

// page writes a complete HTML file: head, then the named template.
//
// The head is not a template: the content security policy names the hashes of
// exactly the bytes between the style and script tags.
func page(w io.Writer, title, name string, view any) error {
	var body bytes.Buffer
	if err := pages.ExecuteTemplate(&body, name, view); err != nil {
		return fmt.Errorf("render report: %w", err)
	}
	policy := fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; base-uri 'none'; form-action 'none'", hash(style), hash(script))
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
`, policy, html.EscapeString(title), style, body.Bytes(), script)
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
