package telemetry

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.yaml.in/yaml/v4"
)

const deployDir = "../../deploy"

// The part of PromQL that our dashboard and alerts use. It is checked strictly: what
// these do not understand is an error, not passed over.
var (
	promStrings  = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	promGrouping = regexp.MustCompile(`\b(by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)\)`)
	promRange    = regexp.MustCompile(`\[(\d+[smhd]|\$__rate_interval)\]`)
	promToken    = regexp.MustCompile(`([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(\{[^{}]*\}|\()?|\d+(?:\.\d+)?|==|!=|>=|<=|[-+*/<>(),]|\s+`)
	promMatcher  = regexp.MustCompile(`^\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*""\s*$`)
	promName     = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

	promFunctions = []string{"rate", "sum", "max", "count", "absent", "histogram_quantile"}
	// Labels that Prometheus gives every series of a target.
	targetLabels = []string{"job", "instance"}
)

// checkQuery returns the metrics that a query names, and what is wrong with it:
// metrics, labels and functions that there are not, and brackets that do not match.
func checkQuery(query string, labels map[string][]string) (metrics, problems []string) {
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	var grouped []string
	q := promStrings.ReplaceAllString(query, `""`)
	for _, m := range promGrouping.FindAllStringSubmatch(q, -1) {
		for name := range strings.SplitSeq(m[2], ",") {
			if name = strings.TrimSpace(name); name != "" {
				grouped = append(grouped, name)
			}
		}
	}
	q = promRange.ReplaceAllString(promGrouping.ReplaceAllString(q, " "), " ")
	depth, rest := 0, q
	for rest != "" {
		at := promToken.FindStringSubmatchIndex(rest)
		if at == nil || at[0] != 0 {
			bad("cannot read %q", rest)
			return metrics, problems
		}
		token, name, next := rest[:at[1]], "", ""
		if at[2] >= 0 {
			name = rest[at[2]:at[3]]
		}
		if at[4] >= 0 {
			next = rest[at[4]:at[5]]
		}
		rest = rest[at[1]:]
		depth += strings.Count(token, "(") - strings.Count(token, ")")
		if depth < 0 {
			bad("a bracket too many before %q", rest)
		}
		switch {
		case name == "":
		case next == "(" || slices.Contains(promFunctions, name): // an aggregation may have its grouping in between
			if !slices.Contains(promFunctions, name) {
				bad("function %s is not known", name)
			}
		default:
			metrics = append(metrics, name)
			have, ok := labels[name]
			if !ok {
				bad("there is no metric %s", name)
				continue
			}
			for matcher := range strings.SplitSeq(strings.Trim(next, "{}"), ",") {
				m := promMatcher.FindStringSubmatch(matcher)
				switch {
				case next == "":
				case m == nil:
					bad("%s: cannot read the matcher %q", name, matcher)
				case !slices.Contains(have, m[1]) && !slices.Contains(targetLabels, m[1]):
					bad("%s has no label %s", name, m[1])
				}
			}
			for _, g := range grouped {
				if !slices.Contains(have, g) && !slices.Contains(targetLabels, g) && !groupsOther(g, query, labels) {
					bad("%s has no label %s to group by", name, g)
				}
			}
		}
	}
	if depth != 0 {
		bad("%d brackets are not closed", depth)
	}
	if len(metrics) == 0 {
		bad("no metric is named")
	}
	return metrics, problems
}

// groupsOther reports whether another metric of a query has a label: two sides of a
// division need not have the same.
func groupsOther(label, query string, labels map[string][]string) bool {
	for name, have := range labels {
		if slices.Contains(have, label) && regexp.MustCompile(`\b`+name+`\b`).MatchString(query) && strings.Contains(query, "/") {
			return true
		}
	}
	return false
}

// known returns the labels of every metric that a ragloop has, and of those that
// Prometheus adds.
func known(t *testing.T) map[string][]string {
	labels := labelsOf(scrape(t, full(t)))
	labels["up"] = nil
	return labels
}

// TestCheckQuery shows that the check can fail.
func TestCheckQuery(t *testing.T) {
	labels := known(t)
	for query, want := range map[string]string{
		`sum by (method) (rate(ragloop_requests_total{job="x", code=~"A|B(C)"}[5m]))`:                                 "",
		`histogram_quantile(0.99, sum by (le) (rate(ragloop_stage_duration_seconds_bucket[$__rate_interval]))) > 0.5`: "",
		`up{job="ragloop"} == 0`: "",
		`sum by (part) (rate(ragloop_degraded_answers_total[5m])) / on () group_left () sum(rate(ragloop_requests_total[5m]))`: "",

		`rate(ragloop_request_total[5m])`:         "no metric ragloop_request_total",
		`ragloop_stage_duration_seconds`:          "no metric ragloop_stage_duration_seconds",
		`ragloop_requests_total{methods="x"}`:     "no label methods",
		`ragloop_requests_total{method=x}`:        "cannot read the matcher",
		`sum by (stage) (ragloop_requests_total)`: "no label stage to group by",
		`sum by (le) (ragloop_admission_limit)`:   "no label le to group by",
		`increas(ragloop_requests_total[5m])`:     "function increas is not known",
		`sum(rate(ragloop_requests_total[5m])`:    "not closed",
		`sum(ragloop_requests_total))`:            "a bracket too many",
		`ragloop_requests_total[5 minutes]`:       "cannot read",
		`1 + 1`:                                   "no metric is named",
	} {
		_, problems := checkQuery(query, labels)
		if got := strings.Join(problems, "; "); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

// dashboard is the part of a Grafana dashboard that the test looks at.
type dashboard struct {
	UID    string `json:"uid"`
	Panels []struct {
		ID          int `json:"id"`
		Type, Title string
		GridPos     struct{ X, Y, W, H int }
		Targets     []struct {
			Expr string `json:"expr"`
		}
	} `json:"panels"`
	Templating struct {
		List []struct {
			Name       string `json:"name"`
			Definition string `json:"definition"`
		}
	} `json:"templating"`
}

// TestDashboard: every query of the dashboard is about metrics and labels that there
// are, every metric is on it, and no two panels overlap.
func TestDashboard(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(deployDir, "grafana-dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	labels := known(t)
	shown := map[string]bool{}
	ids := map[int]bool{}
	for i, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("%q has the id of another panel", p.Title)
		}
		ids[p.ID] = true
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("%q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			metrics, problems := checkQuery(target.Expr, labels)
			for _, problem := range problems {
				t.Errorf("%q: %s: %s", p.Title, target.Expr, problem)
			}
			for _, m := range metrics {
				shown[m] = true
			}
			if !strings.Contains(target.Expr, `job=~"$job", instance=~"$instance"`) {
				t.Errorf("%q: %s: shows other services, too", p.Title, target.Expr)
			}
		}
		for _, o := range d.Panels[:i] {
			a, b := p.GridPos, o.GridPos
			if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("%q is upon %q", p.Title, o.Title)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		base := name
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			base = strings.TrimSuffix(base, suffix)
		}
		if strings.HasPrefix(name, "ragloop_") && !shown[name] && !shown[base+"_bucket"] {
			t.Errorf("no panel shows %s", name)
		}
	}
	variable := regexp.MustCompile(`^label_values\((\w+)(?:\{job=~"\$job"\})?, (\w+)\)$`)
	for _, v := range d.Templating.List {
		if v.Definition == "" {
			continue
		}
		m := variable.FindStringSubmatch(v.Definition)
		if m == nil || labels[m[1]] == nil || !slices.Contains(append(slices.Clone(targetLabels), labels[m[1]]...), m[2]) {
			t.Errorf("variable %s: %s is about nothing that there is", v.Name, v.Definition)
		}
	}
}

// TestAlerts: every rule can be read, is about metrics and labels that there are,
// and says what to do.
func TestAlerts(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(deployDir, "alerts.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string `yaml:"name"`
			Rules []struct {
				Alert       string            `yaml:"alert"`
				Expr        string            `yaml:"expr"`
				For         string            `yaml:"for"`
				Labels      map[string]string `yaml:"labels"`
				Annotations map[string]string `yaml:"annotations"`
			} `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := yaml.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	labels := known(t)
	seen := map[string]bool{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if !promName.MatchString(r.Alert) || seen[r.Alert] {
				t.Errorf("alert %q is no name, or there twice", r.Alert)
			}
			seen[r.Alert] = true
			if _, problems := checkQuery(r.Expr, labels); len(problems) > 0 {
				t.Errorf("%s: %s", r.Alert, strings.Join(problems, "; "))
			}
			if !regexp.MustCompile(`^\d+[mh]$`).MatchString(r.For) {
				t.Errorf("%s: for is %q: a moment would be an alert", r.Alert, r.For)
			}
			if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) {
				t.Errorf("%s: severity is %q", r.Alert, r.Labels["severity"])
			}
			for _, name := range []string{"summary", "description"} {
				if r.Annotations[name] == "" {
					t.Errorf("%s has no %s", r.Alert, name)
				}
			}
			for _, m := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(r.Annotations["summary"]+r.Annotations["description"], -1) {
				if m[1] != "instance" && !strings.Contains(r.Expr, m[1]) {
					t.Errorf("%s: its text names the label %s, which it does not have", r.Alert, m[1])
				}
			}
		}
	}
	if len(seen) < 6 {
		t.Errorf("%d alerts, the test misses most", len(seen))
	}
}

// TestAlertsFromTheFirst: of every value that an alert looks for there is a series
// before the first event, which otherwise would have no rate.
func TestAlertsFromTheFirst(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(deployDir, "alerts.yml"))
	if err != nil {
		t.Fatal(err)
	}
	m := NewMetrics("", []string{"Retrieve", "Search"})
	traces, err := NewTraces(t.Context(), TraceConfig{Metrics: m, Exporter: tracetest.NewNoopExporter(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer traces.Close()
	have := map[string]bool{} // "name label value"
	for name, f := range scrape(t, m) {
		for _, series := range f.Metric {
			for _, l := range series.Label {
				have[name+" "+l.GetName()+" "+l.GetValue()] = true
			}
		}
	}
	n := 0
	for _, selector := range regexp.MustCompile(`(ragloop_\w+)\{([^{}]*)\}`).FindAllStringSubmatch(string(data), -1) {
		for _, matcher := range regexp.MustCompile(`(\w+)=~?"([^"]*)"`).FindAllStringSubmatch(selector[2], -1) {
			for value := range strings.SplitSeq(matcher[2], "|") {
				n++
				if key := strings.TrimSuffix(selector[1], "_bucket") + " " + matcher[1] + " " + value; !have[key] {
					t.Errorf("no series has %s", key)
				}
			}
		}
	}
	if n < 10 {
		t.Errorf("%d values, the test misses most", n)
	}
}

// TestPromtool lets Prometheus itself read the configuration and the rules, and try
// the rules on the series of alerts_test.yml.
func TestPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed")
	}
	for _, args := range [][]string{{"check", "config", "prometheus.yml"}, {"test", "rules", "alerts_test.yml"}} {
		cmd := exec.CommandContext(t.Context(), promtool, args...)
		cmd.Dir = deployDir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// TestScrapeConfig: what compose.yaml starts is scraped, by the rules' job.
func TestScrapeConfig(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(deployDir, "prometheus.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		RuleFiles     []string `yaml:"rule_files"`
		ScrapeConfigs []struct {
			Job     string `yaml:"job_name"`
			Targets []struct {
				Targets []string `yaml:"targets"`
			} `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	if err := yaml.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	for _, f := range c.RuleFiles {
		if _, err := os.Stat(filepath.Join(deployDir, f)); err != nil {
			t.Error(err)
		}
	}
	compose, err := os.ReadFile(filepath.Join(deployDir, "compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if c.ScrapeConfigs[0].Job != "ragloop" {
		t.Fatalf("the first job is %q, the alerts are about ragloop", c.ScrapeConfigs[0].Job)
	}
	service, port, _ := strings.Cut(c.ScrapeConfigs[0].Targets[0].Targets[0], ":")
	for _, want := range []string{"\n  " + service + ":\n", "RAGLOOP_SERVE_METRICS_LISTEN: 0.0.0.0:" + port + "\n"} {
		if !strings.Contains(string(compose), want) {
			t.Errorf("compose.yaml has no %q", want)
		}
	}
}
