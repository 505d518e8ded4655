package embed

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// coldEnv makes the test binary a program that embeds something and ends: "start"
// does nothing, "query" embeds one of 16 tokens, "bulk" the golden texts, of which
// four are as long as the window.
const coldEnv = "RAGLOOP_TEST_COLD_START"

func TestMain(m *testing.M) {
	what, cold := os.LookupEnv(coldEnv)
	if !cold {
		os.Exit(m.Run())
	}
	if err := coldStart(what); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// coldStart writes a line as soon as the vectors are there, and then the
// process's memory.
func coldStart(what string) error {
	var task Task
	var texts []string
	switch what {
	case "query":
		task, texts = Query, []string{strings.TrimSpace(strings.Repeat("pump ", 14))}
	case "bulk":
		goldens, err := readGoldens()
		if err != nil {
			return err
		}
		for _, g := range goldens {
			texts = append(texts, g.Text)
		}
	}
	if texts != nil {
		e, err := NewBuiltin()
		if err != nil {
			return err
		}
		if _, err := e.Embed(context.Background(), task, texts); err != nil {
			return err
		}
	}
	fmt.Println("done")
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(status)
	return err
}

// BenchmarkColdStart measures from the start of a process to its first vectors,
// with a warm page cache, and the memory that the process had in RAM at most:
// what a process has that only starts is taken off. The part of the model that
// is read from the binary is counted, though processes share it.
func BenchmarkColdStart(b *testing.B) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		b.Skip("needs /proc for the memory of a process: ", err)
	}
	_, base := coldRun(b, "start")
	for _, what := range []string{"start", "query", "bulk"} {
		b.Run(what, func(b *testing.B) {
			var times []time.Duration
			var peaks []float64
			for b.Loop() {
				d, peak := coldRun(b, what)
				times, peaks = append(times, d), append(peaks, peak-base)
			}
			slices.Sort(times)
			slices.Sort(peaks)
			b.ReportMetric(float64(times[len(times)/2].Microseconds())/1e3, "p50-ms")
			b.ReportMetric(peaks[len(peaks)/2], "p50-MB")
		})
	}
}

// coldRun runs this binary in a process of its own and returns the time to its
// vectors and its peak resident memory in MB (10⁶ bytes).
func coldRun(b *testing.B, what string) (time.Duration, float64) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), coldEnv+"="+what)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	done := lines.Scan() && lines.Text() == "done"
	took := time.Since(begin)
	peak := -1.0
	for lines.Scan() {
		if v, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			if _, err := fmt.Sscanf(v, "%f kB", &peak); err != nil {
				b.Fatalf("read the memory of %s: %v", what, err)
			}
		}
	}
	if err := cmd.Wait(); err != nil || !done || peak < 0 {
		b.Fatalf("cold start of %s: %v, done %v, memory %v kB\n%s", what, err, done, peak, stderr.Bytes())
	}
	return took, peak * 1024 / 1e6
}
