package report

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"

	"github.com/ragloop/ragloop/internal/webpage"
)

//go:embed assets/*.html
var templates embed.FS

//go:embed assets/style.css
var style string

//go:embed assets/script.js
var script string

// pages holds the parsed templates; they are part of the program.
var pages = template.Must(template.ParseFS(templates, "assets/*.html"))

// page writes a complete HTML file with the named template as its body.
func page(w io.Writer, title, name string, view any) error {
	var body bytes.Buffer
	if err := pages.ExecuteTemplate(&body, name, view); err != nil {
		return fmt.Errorf("render report: %w", err)
	}
	if err := webpage.Write(w, webpage.Page{Title: title, Style: style, Script: script, Body: body.Bytes()}); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
