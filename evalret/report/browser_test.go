package report_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/report"
)

// browser is a headless Chromium that is spoken to in its DevTools protocol
// over two pipes: JSON messages with a zero byte behind each.
type browser struct {
	t       *testing.T
	to      io.WriteCloser
	from    *bufio.Reader
	session string
	id      int
	events  []message // that came while an answer was awaited
}

type message struct {
	ID        int             `json:"id,omitempty"`
	Session   string          `json:"sessionId,omitempty"`
	Method    string          `json:"method,omitempty"`
	Params    json.RawMessage `json:"params,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"`
	Exception json.RawMessage `json:"error,omitempty"`
}

// startBrowser skips the test where there is no Chromium.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("a process on Windows inherits no further pipes")
	}
	name := ""
	for _, candidate := range []string{"chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "headless_shell"} {
		if found, err := exec.LookPath(candidate); err == nil {
			name = found
			break
		}
	}
	if name == "" {
		t.Skip("there is no Chromium")
	}
	read, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	profile, err := os.MkdirTemp("", "report-browser-")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(name, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--no-first-run", "--no-default-browser-check",
		"--user-data-dir="+profile, "--remote-debugging-pipe", "--window-size=1280,900", "about:blank")
	cmd.ExtraFiles = []*os.File{read, write}
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read.Close()
	write.Close()
	b := &browser{t: t, to: to, from: bufio.NewReader(from)}
	// A browser that hangs fails the test instead of the whole run.
	from.SetReadDeadline(time.Now().Add(90 * time.Second))
	t.Cleanup(func() {
		b.send(message{Method: "Browser.close"})
		if err := cmd.Wait(); err != nil {
			t.Logf("%s: %v", name, err)
		}
		to.Close()
		from.Close()
		// Its helpers may write for a moment after it has ended.
		if err := os.RemoveAll(profile); err != nil {
			t.Logf("remove the profile: %v", err)
		}
	})
	var created struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &created)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": created.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Network", "Log", "Accessibility"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

func (b *browser) send(m message) error {
	b.id++
	m.ID, m.Session = b.id, b.session
	if strings.HasPrefix(m.Method, "Browser.") {
		m.Session = ""
	}
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	_, err = b.to.Write(append(body, 0))
	return err
}

// receive returns the next message.
func (b *browser) receive() (message, error) {
	body, err := b.from.ReadBytes(0)
	if err != nil {
		return message{}, err
	}
	var m message
	return m, json.Unmarshal(bytes.TrimSuffix(body, []byte{0}), &m)
}

// call sends a command and reads its answer into result, which may be nil.
func (b *browser) call(method string, params map[string]any, result any) {
	b.t.Helper()
	raw, err := json.Marshal(params)
	if err == nil {
		err = b.send(message{Method: method, Params: raw})
	}
	for err == nil {
		var m message
		m, err = b.receive()
		switch {
		case err != nil:
		case m.ID == 0:
			b.events = append(b.events, m)
		case m.ID == b.id && m.Exception != nil:
			err = errors.New(string(m.Exception))
		case m.ID == b.id:
			if result != nil {
				err = json.Unmarshal(m.Result, result)
			}
			if err == nil {
				return
			}
		}
	}
	b.t.Fatalf("%s: %v", method, err)
}

// open shows the file and waits until it is loaded.
func (b *browser) open(path string) {
	b.t.Helper()
	b.events = nil
	address := url.URL{Scheme: "file", Path: filepath.ToSlash(path)}
	b.call("Page.navigate", map[string]any{"url": address.String()}, nil)
	for _, m := range b.events {
		if m.Method == "Page.loadEventFired" {
			return
		}
	}
	for {
		m, err := b.receive()
		if err != nil {
			b.t.Fatalf("load %s: %v", path, err)
		}
		b.events = append(b.events, m)
		if m.Method == "Page.loadEventFired" {
			return
		}
	}
}

// eval returns the value of a JavaScript expression.
func eval[T any](b *browser, expression string) T {
	b.t.Helper()
	var r struct {
		Result struct {
			Value T
		}
		ExceptionDetails json.RawMessage
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true}, &r)
	if r.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s", expression, r.ExceptionDetails)
	}
	return r.Result.Value
}

// press presses a key as a person does.
func (b *browser) press(key, code string, virtual int, text string) {
	b.t.Helper()
	params := map[string]any{"type": "keyDown", "key": key, "code": code, "windowsVirtualKeyCode": virtual}
	if text != "" {
		params["text"] = text
	}
	b.call("Input.dispatchKeyEvent", params, nil)
	params = map[string]any{"type": "keyUp", "key": key, "code": code, "windowsVirtualKeyCode": virtual}
	b.call("Input.dispatchKeyEvent", params, nil)
}

func (b *browser) enter() { b.t.Helper(); b.press("Enter", "Enter", 13, "\r") }
func (b *browser) tab()   { b.t.Helper(); b.press("Tab", "Tab", 9, "") }

// insert types text into what has the focus.
func (b *browser) insert(text string) {
	b.t.Helper()
	b.call("Input.insertText", map[string]any{"text": text}, nil)
}

// quiet checks that the page wrote nothing to the console and asked for
// nothing but itself.
func (b *browser) quiet() {
	b.t.Helper()
	for _, m := range b.events {
		switch m.Method {
		case "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded":
			b.t.Errorf("%s: %s", m.Method, m.Params)
		case "Network.requestWillBeSent":
			var p struct{ Request struct{ URL string } }
			if err := json.Unmarshal(m.Params, &p); err != nil || !strings.HasPrefix(p.Request.URL, "file:") {
				b.t.Errorf("the page asks for %s (%v)", p.Request.URL, err)
			}
		}
	}
}

// named checks that everything one can use or look at has a name.
func (b *browser) named() {
	b.t.Helper()
	var tree struct {
		Nodes []struct {
			Ignored    bool
			Role, Name struct{ Value any }
		}
	}
	b.call("Accessibility.getFullAXTree", nil, &tree)
	found := map[string]int{}
	for _, n := range tree.Nodes {
		role := fmt.Sprint(n.Role.Value)
		switch role {
		case "button", "link", "searchbox", "textbox", "combobox", "image", "img", "heading", "DisclosureTriangle", "columnheader", "rowheader":
			found[role]++
			if name, _ := n.Name.Value.(string); !n.Ignored && strings.TrimSpace(name) == "" {
				b.t.Errorf("a %s has no name", role)
			}
		}
	}
	if found["link"] == 0 || found["heading"] == 0 {
		b.t.Errorf("the page has no links or headings for a screen reader: %v", found)
	}
}

// pages writes one page of each kind and returns their paths.
func writePages(t *testing.T) map[string]string {
	t.Helper()
	w := newWorld(60, 10)
	e := evaluate(t, w)
	why, err := evalret.ExplainWorst(t.Context(), e, finder{w, 3}, options(w), 5)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	paths := map[string]string{}
	for name, write := range map[string]func(io.Writer) error{
		"eval": func(w io.Writer) error {
			return report.HTML(w, e, report.Options{Command: "ragloop eval --set handbook.jsonl", Explanations: why})
		},
		"explain": func(w io.Writer) error {
			return report.ExplainHTML(w, why[e.Queries[e.Worst()[0]].ID], report.Options{Command: "ragloop query x"})
		},
		"answers": func(w io.Writer) error { return report.HTML(w, answered(t), report.Options{}) },
		"compare": func(w io.Writer) error { return report.CompareHTML(w, compared(t, e)) },
		"tune": func(out io.Writer) error {
			return report.TuneHTML(out, tuned(t, w), report.Options{Command: "ragloop tune"})
		},
	} {
		var page bytes.Buffer
		if err := write(&page); err != nil {
			t.Fatal(err)
		}
		paths[name] = filepath.Join(dir, name+" #1.html")
		if err := os.WriteFile(paths[name], page.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return paths
}

// wide names what is wider than the page.
const wide = `[...document.querySelectorAll("main *")].filter(n => !n.closest(".scroll > *, .sr") && n.getBoundingClientRect().right > document.documentElement.clientWidth + 1).map(n => n.tagName + "." + n.getAttribute("class")).slice(0, 5).join(" ")`

func TestBrowser(t *testing.T) {
	b := startBrowser(t)
	paths := writePages(t)
	in := func(name string, f func(t *testing.T)) {
		t.Run(name, func(t *testing.T) {
			outer := b.t
			b.t = t
			defer func() { b.t = outer }()
			f(t)
		})
	}
	for _, name := range []string{"eval", "answers", "explain", "compare", "tune"} {
		in(name, func(t *testing.T) {
			b.open(paths[name])
			b.named()
			light := eval[string](b, `getComputedStyle(document.body).backgroundColor + getComputedStyle(document.body).color`)
			media(b, "dark")
			dark := eval[string](b, `getComputedStyle(document.body).backgroundColor + getComputedStyle(document.body).color`)
			media(b, "light")
			if light == dark {
				t.Errorf("light and dark both are %s", light)
			}
			for _, width := range []int{360, 1280} {
				b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false}, nil)
				if over := eval[int](b, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over > 0 {
					t.Errorf("at %d pixels the page is %d too wide: %s", width, over, eval[string](b, wide))
				}
			}
			b.quiet()
		})
	}
	in("filter", func(t *testing.T) {
		b.open(paths["eval"])
		b.press("/", "Slash", 191, "/")
		b.insert("Q00")
		const shown = `[...document.querySelectorAll("#query-table > tbody")].filter(r => r.offsetParent !== null).map(r => r.querySelector(".id").textContent).sort().join(" ")`
		if got, want := eval[string](b, shown), "q001 q002 q003 q004 q005 q006 q007 q008 q009"; got != want {
			t.Errorf("after typing /Q00: %q, want %q", got, want)
		}
		if got, want := eval[string](b, `document.querySelector("output").textContent`), "9 of 70"; got != want {
			t.Errorf("the count says %q, want %q", got, want)
		}
		eval[any](b, `{ const f = document.querySelector(".controls"); f.elements.text.value = ""; f.elements.show.value = "none"; f.dispatchEvent(new Event("input")); }`)
		if got := eval[int](b, `document.querySelectorAll("#query-table > tbody:not(.away)").length`); got != 10 {
			t.Errorf("%d unanswerable queries are shown, want 10", got)
		}
		eval[any](b, `{ const f = document.querySelector(".controls"); f.elements.show.value = ""; [...document.querySelectorAll("#tags button")].find(n => n.textContent === "two facts").focus(); }`)
		b.enter()
		if got := eval[int](b, `document.querySelectorAll("#query-table > tbody:not(.away)").length`); got != 15 {
			t.Errorf("%d queries with the tag are shown, want 15", got)
		}
		b.quiet()
	})
	in("sort", func(t *testing.T) {
		b.open(paths["eval"])
		eval[any](b, `document.querySelectorAll("#query-table th button")[0].focus()`)
		const numbers = `[...document.querySelectorAll("#query-table > tbody")].map(r => r.rows[0].cells[0].textContent).slice(0, 3).join(" ")`
		b.enter()
		if got, want := eval[string](b, numbers), "1 2 3"; got != want {
			t.Errorf("sorted by number: %q, want %q", got, want)
		}
		b.press(" ", "Space", 32, " ")
		if got, want := eval[string](b, numbers), "70 69 68"; got != want {
			t.Errorf("sorted downwards: %q, want %q", got, want)
		}
		if got := eval[string](b, `document.querySelector("#query-table th").getAttribute("aria-sort")`); got != "descending" {
			t.Errorf("aria-sort = %q", got)
		}
		eval[any](b, `document.querySelectorAll("#query-table th button")[4].click()`)
		if !eval[bool](b, `{ const x = [...document.querySelectorAll("#query-table > tbody:not([data-state=none])")].map(r => Number(r.rows[0].cells[4].textContent)); x.every((v, i) => i === 0 || x[i-1] <= v) }`) {
			t.Error("the values are not in order")
		}
		b.quiet()
	})
	in("expand by keyboard", func(t *testing.T) {
		b.open(paths["eval"])
		const open = `document.querySelectorAll("#query-table > tbody > tr.detail").values().filter(r => r.offsetParent !== null).toArray().length`
		if got := eval[int](b, open); got != 0 {
			t.Errorf("%d queries are open at first", got)
		}
		eval[any](b, `document.querySelector("#query-table button.open").focus()`)
		b.enter()
		if got := eval[int](b, open); got != 1 {
			t.Errorf("%d queries are open after Enter", got)
		}
		if !eval[bool](b, `document.activeElement.matches("button.open[aria-expanded=true]")`) {
			t.Error("the button does not say that it is open")
		}
		b.tab()
		if got := eval[string](b, `document.activeElement.tagName`); got != "SUMMARY" {
			t.Errorf("Tab leads to %s, want the explanation below", got)
		}
		b.enter()
		if !eval[bool](b, `document.querySelector("details.why").open`) {
			t.Error("the explanation is not open after Enter")
		}
		eval[any](b, `document.querySelector(".controls button").click()`)
		if got, want := eval[int](b, open), eval[int](b, `document.querySelectorAll("#query-table > tbody > tr.detail").length`); got != want {
			t.Errorf("%d of %d queries are open after Open all", got, want)
		}
		b.quiet()
	})
	in("print", func(t *testing.T) {
		b.open(paths["eval"])
		b.call("Emulation.setEmulatedMedia", map[string]any{"media": "print"}, nil)
		// A page for each of a thousand queries is not what one prints: those that are
		// open are.
		eval[any](b, `document.querySelectorAll("button.open")[1].click()`)
		if got := eval[int](b, `[...document.querySelectorAll("#query-table > tbody > tr.detail")].filter(r => r.offsetParent !== null).length`); got != 1 {
			t.Errorf("%d queries are open in print, want the one that was opened", got)
		}
		if got := eval[int](b, `[...document.querySelectorAll("nav, .controls")].filter(r => r.offsetParent !== null).length`); got != 0 {
			t.Errorf("%d controls are printed", got)
		}
		if got := eval[int](b, `[...document.querySelectorAll("details > :not(summary)")].filter(n => !n.checkVisibility() && !n.closest("tbody:not(.unfolded) > tr.detail")).length`); got != 0 {
			t.Errorf("%d folded parts are not printed", got)
		}
		b.call("Emulation.setEmulatedMedia", map[string]any{"media": ""}, nil)
		var pdf struct{ Data string }
		b.call("Page.printToPDF", map[string]any{"printBackground": true}, &pdf)
		body, err := base64.StdEncoding.DecodeString(pdf.Data)
		if err != nil || !bytes.HasPrefix(body, []byte("%PDF-")) {
			t.Errorf("printing gives %d bytes, %v", len(body), err)
		}
		if eval[bool](b, `document.querySelector("details").open`) {
			t.Error("printing leaves open what was closed")
		}
		b.quiet()
	})
}

// media asks the page for its light or dark colours.
func media(b *browser, scheme string) {
	b.t.Helper()
	b.call("Emulation.setEmulatedMedia", map[string]any{"media": "", "features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}
