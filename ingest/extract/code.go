package extract

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strings"

	"github.com/ragloop/ragloop/internal/meta"
	"github.com/ragloop/ragloop/internal/text"
)

const (
	goType   = "text/x-go"
	codeType = "text/x-source"

	metaProgramming = "programming_language"
)

// codeLanguages are the programming and configuration languages that are
// known, by the extension of their files.
var codeLanguages = map[string]string{
	".asm": "Assembly", ".s": "Assembly", ".bash": "Shell", ".sh": "Shell", ".zsh": "Shell", ".bat": "Batch", ".c": "C", ".h": "C",
	".cc": "C++", ".cpp": "C++", ".cxx": "C++", ".hh": "C++", ".hpp": "C++", ".clj": "Clojure", ".cs": "C#", ".css": "CSS", ".scss": "CSS",
	".dart": "Dart", ".ex": "Elixir", ".exs": "Elixir", ".erl": "Erlang", ".f90": "Fortran", ".fs": "F#", ".graphql": "GraphQL", ".groovy": "Groovy",
	".gradle": "Groovy", ".hs": "Haskell", ".java": "Java", ".js": "JavaScript", ".cjs": "JavaScript", ".jsx": "JavaScript", ".mjs": "JavaScript",
	".jl": "Julia", ".kt": "Kotlin", ".kts": "Kotlin", ".lua": "Lua", ".m": "Objective-C", ".ml": "OCaml", ".nim": "Nim", ".pas": "Pascal",
	".php": "PHP", ".pl": "Perl", ".pm": "Perl", ".proto": "Protocol Buffers", ".ps1": "PowerShell", ".py": "Python", ".pyi": "Python", ".r": "R",
	".rb": "Ruby", ".rs": "Rust", ".scala": "Scala", ".sql": "SQL", ".swift": "Swift", ".tf": "Terraform", ".ts": "TypeScript",
	".tsx": "TypeScript", ".v": "Verilog", ".vb": "Visual Basic", ".vhd": "VHDL", ".vue": "Vue", ".zig": "Zig",
	".cfg": "INI", ".ini": "INI", ".toml": "TOML", ".yaml": "YAML", ".yml": "YAML",
	".xml": "XML", ".xsd": "XML", ".xsl": "XML", ".xslt": "XML",
}

// codeExtensions are the keys of codeLanguages, the best known first.
var codeExtensions = append([]string{".py"}, slices.Sorted(maps.Keys(codeLanguages))...)

const goLanguage = "Go"

// maxGoBytes is the size of the largest Go source that is parsed, as a syntax
// tree takes some forty bytes for each of it. The parser itself bounds nesting.
const maxGoBytes = 4 << 20

// extractCode keeps source code verbatim. Its blocks are of kind Code: runs of
// lines between blank lines.
func extractCode(_ context.Context, in Input) (Document, error) {
	s, warnings, err := decodeText(in)
	if err != nil {
		return Document{}, err
	}
	doc := Document{Text: s, Blocks: tile(s, codeMarks(s)), Warnings: warnings}
	if language := codeLanguages[extension(in.Name)]; language != "" {
		doc.Meta = meta.Fields{metaProgramming: meta.OfString(language)}
	}
	return doc, nil
}

// extractGo keeps Go source verbatim. Its blocks are of kind Code: the package
// clause with the imports, then each top-level declaration with its comment. A
// source that does not parse is divided at blank lines, as other languages are.
func extractGo(ctx context.Context, in Input) (Document, error) {
	s, warnings, err := decodeText(in)
	if err != nil {
		return Document{}, err
	}
	marks, ok := goMarks(s)
	if err := ctx.Err(); err != nil {
		return Document{}, err
	}
	if !ok {
		warnings = append(warnings, "not valid Go, or too large to be parsed; divided at blank lines")
		marks = codeMarks(s)
	}
	doc := Document{Text: s, Blocks: tile(s, marks), Warnings: warnings}
	doc.Meta = meta.Fields{metaProgramming: meta.OfString(goLanguage)}
	return doc, nil
}

// codeMarks marks the runs of lines between blank lines.
func codeMarks(s string) []mark {
	marks := paragraphMarks(nil, s, text.Span{End: len(s)}, 0)
	for i := range marks {
		marks[i].kind = Code
	}
	return marks
}

// goMarks marks the top-level declarations of a Go source; ok is false where it
// cannot be parsed.
func goMarks(s string) (marks []mark, ok bool) {
	if len(s) > maxGoBytes {
		return nil, false
	}
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, "", s, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, false
	}
	file := files.File(f.FileStart)
	marks = []mark{{kind: Code}}
	for _, d := range f.Decls {
		start, doc := d.Pos(), (*ast.CommentGroup)(nil)
		switch d := d.(type) {
		case *ast.GenDecl:
			if d.Tok == token.IMPORT {
				continue // beside the package clause
			}
			doc = d.Doc
		case *ast.FuncDecl:
			doc = d.Doc
		}
		if doc != nil {
			start = doc.Pos()
		}
		at := file.Offset(start)
		// From the start of its line; several declarations may share one.
		at = strings.LastIndexByte(s[:at], '\n') + 1
		if last := &marks[len(marks)-1]; at > last.at {
			marks = append(marks, mark{at: at, kind: Code})
		}
	}
	return marks, true
}
