package ingest

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"

	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
)

var kills = flag.Int("kills", 30, "how many processes TestKill kills")

// Environment of the process that is going to be killed.
const (
	killDirEnv   = "INGEST_KILL_DIR"   // data directory
	killRoundEnv = "INGEST_KILL_ROUND" // the first round that is not known to be complete
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(killDirEnv); dir != "" {
		if err := killChild(dir, os.Getenv(killRoundEnv)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if dir := os.Getenv(scaleServeEnv); dir != "" {
		if err := scaleServe(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// tell prints a line of the child in one write, so that what the parent reads
// has happened.
type tell struct{ mu sync.Mutex }

func (p *tell) line(a ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintln(os.Stdout, a...)
}

// counted is an embedder behind a cache that tells the parent what it embeds.
type counted struct {
	*hashed
	out *tell
}

func (e counted) Embed(ctx context.Context, task embed.Task, texts []string) ([][]float32, error) {
	e.out.line("embed", len(texts))
	return e.hashed.Embed(ctx, task, texts)
}

// killChild performs the rounds from first on and tells what it does:
//
//	call METHOD      a request is sent to the index
//	embed N          N texts are given to the model, that is, the cache knows none of them
//	ack OUTCOME DOC  a document is committed
//	round R          a round is complete
//	hits NAME N      how often the process came to a failpoint; at the end
func killChild(dir, first string) (err error) {
	round, err := strconv.Atoi(first)
	if err != nil {
		return err
	}
	ctx, out := context.Background(), &tell{}
	c, err := index.Dial(ctx, index.Options{
		DataDir: filepath.Join(dir, "index"),
		Interceptors: []grpc.UnaryClientInterceptor{
			func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
				out.line("call", method[strings.LastIndexByte(method, '/')+1:])
				return invoke(ctx, method, req, reply, cc, opts...)
			},
		},
	})
	if err != nil {
		return err
	}
	cache, err := embed.OpenCache(filepath.Join(dir, "embeddings.db"), counted{&hashed{}, out}, nil)
	if err != nil {
		return err
	}
	for ; round < killRounds; round++ {
		err := killRound(ctx, c, cache, round, func(e Event) {
			if e.Doc != "" {
				out.line("ack", e.Outcome, e.Doc)
			}
		})
		if err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
		out.line("round", round)
	}
	if err := errors.Join(cache.Close(), c.Close()); err != nil {
		return err
	}
	tellHits(out)
	return nil
}

// life is what a process told before it ended.
type life struct {
	killed   bool
	lines    int
	last     string // line before its death
	embedded int
	round    int                    // the first one that it did not complete
	acks     map[text.DocID]Outcome // of that round
	hits     map[string]int
}

// live runs the child from round on and kills it after so many lines and spins
// of the parent; 0 lines: never. env is added to the child's.
func live(t *testing.T, dir string, round, lines, spins int, env ...string) life {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), append(env, killDirEnv+"="+dir, fmt.Sprint(killRoundEnv, "=", round))...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	l := life{round: round, acks: map[text.DocID]Outcome{}, hits: map[string]int{}}
	r := bufio.NewReader(out)
	for {
		line, err := r.ReadString('\n')
		if err != nil { // what a line lacks was not told
			if err != io.EOF && !errors.Is(err, os.ErrClosed) {
				t.Fatal(err)
			}
			break
		}
		l.told(t, strings.TrimSuffix(line, "\n"))
		if l.lines == lines {
			for range spins {
				runtime.Gosched()
			}
			if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
				t.Fatal(err)
			}
		}
	}
	err = cmd.Wait()
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() && ws.Signal() == syscall.SIGKILL {
		l.killed = true
	} else if err != nil {
		t.Fatalf("the ingesting process failed after %q: %v\n%s", l.last, err, stderr.String())
	}
	return l
}

func (l *life) told(t *testing.T, line string) {
	l.lines++
	l.last = line
	word, rest, _ := strings.Cut(line, " ")
	var err error
	switch word {
	case "call":
	case "embed":
		var n int
		n, err = strconv.Atoi(rest)
		l.embedded += n
	case "ack":
		outcome, doc, _ := strings.Cut(rest, " ")
		l.acks[text.DocID(doc)] = Outcome(outcome)
	case "round":
		l.round, err = strconv.Atoi(rest)
		l.round++
		clear(l.acks)
	case "hits":
		var name string
		var n int
		_, err = fmt.Sscan(rest, &name, &n)
		l.hits[name] = n
	default:
		err = errors.New("unknown word")
	}
	if err != nil {
		t.Fatalf("the ingesting process told %q: %v", line, err)
	}
}

// undisturbed is what rounds make when nobody is killed.
type undisturbed struct {
	after    [killRounds]stored // by round
	embedded int
	lines    int
	hits     map[string]int
}

// uninterrupted lets one process do all rounds, and another do them one by one.
func uninterrupted(t *testing.T) undisturbed {
	t.Helper()
	dir := t.TempDir()
	l := live(t, dir, 0, 0, 0)
	u := undisturbed{embedded: l.embedded, lines: l.lines, hits: l.hits}
	final := readStored(t, dir)

	dir = t.TempDir()
	c, err := index.Dial(t.Context(), index.Options{DataDir: filepath.Join(dir, "index")})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for r := range killRounds {
		if err := killRound(t.Context(), c, &hashed{}, r, nil); err != nil {
			t.Fatal(err)
		}
		u.after[r] = readStored(t, dir)
		for name, g := range u.after[r].Generations {
			if len(g.Hidden)+len(g.Broken) > 0 {
				t.Fatalf("after round %d %s has hidden chunks %q and broken documents %q", r, name, g.Hidden, g.Broken)
			}
		}
	}
	if d := cmp.Diff(u.after[killRounds-1], final); d != "" {
		t.Fatalf("two uninterrupted runs differ (-one +other):\n%s", d)
	}
	return u
}

// check compares what a killed process left with what it had acknowledged: every
// document of the served generation is as it was before the round, or as it is
// after it, the latter where this was acknowledged.
func (u *undisturbed) check(t *testing.T, s stored, l life) {
	t.Helper()
	before, after := generationState{}, generationState{}
	if l.round > 0 {
		before, _ = u.after[l.round-1].served()
	}
	if l.round < killRounds {
		after, _ = u.after[l.round].served()
	} else {
		after = before
	}
	where := fmt.Sprintf("killed in round %d after %q", l.round, l.last)
	served, ok := s.served()
	switch {
	case !ok && l.round > 0:
		t.Errorf("%s: nothing is served", where)
	case !ok:
	case before.Config == after.Config:
		u.checkDocs(t, where, served, before, after, l.acks)
	case served.Config == before.Config:
		// A rebuild leaves what is served alone until it is complete.
		u.checkDocs(t, where, served, before, before, nil)
		u.checkNewest(t, where, s, after, l.acks)
	default:
		u.checkDocs(t, where, served, after, after, l.acks)
	}
	if !ok {
		u.checkNewest(t, where, s, after, l.acks)
	}
}

// checkNewest checks a generation that is being filled.
func (u *undisturbed) checkNewest(t *testing.T, where string, s stored, after generationState, acks map[text.DocID]Outcome) {
	t.Helper()
	filled, ok := generationState{}, false
	for _, g := range s.Generations {
		if g.Config == after.Config {
			filled, ok = g, true
		}
	}
	if !ok && len(acks) > 0 {
		t.Errorf("%s: no generation holds what was acknowledged", where)
	}
	u.checkDocs(t, where+", new generation", filled, generationState{}, after, acks)
}

func (u *undisturbed) checkDocs(t *testing.T, where string, got, before, after generationState, acks map[text.DocID]Outcome) {
	t.Helper()
	if len(got.Broken) > 0 {
		t.Errorf("%s: not all chunks of %q are there", where, got.Broken)
	}
	for doc, s := range got.Docs {
		was, will := before.Docs[doc], after.Docs[doc]
		// Of one revision, new labels reach the chunks before the record.
		if s.Record != was.Record && s.Record != will.Record || s.Chunks != was.Chunks && s.Chunks != will.Chunks {
			t.Errorf("%s: %s is neither as it was nor as it will be", where, doc)
		}
	}
	for doc := range before.Docs {
		_, stored := got.Docs[doc]
		if _, stays := after.Docs[doc]; stays && !stored {
			t.Errorf("%s: %s was lost", where, doc)
		}
	}
	for doc, outcome := range acks {
		if want := after.Docs[doc]; got.Docs[doc] != want {
			t.Errorf("%s: %s was acknowledged as %s, but is not stored like that", where, doc, outcome)
		}
	}
}

// TestKill kills ingesting processes at random moments of the life of a
// collection, three of them in a row, and lets the next one finish. -kills says
// how many.
func TestKill(t *testing.T) {
	n := *kills
	if testing.Short() {
		n = min(n, 2)
	}
	u := uninterrupted(t)
	var sums [2]tally // of collections whose lives go on side by side
	t.Run("lives", func(t *testing.T) {
		for i := range sums {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				sums[i] = u.killLives(t, (n+i)/len(sums), uint64(i))
			})
		}
	})
	sum := sums[0].plus(sums[1])
	t.Log(sum)
	if float64(sum.again) > 0.02*float64(sum.embedded) {
		t.Errorf("%d of %d texts were embedded again, want at most 2 %%", sum.again, sum.embedded)
	}
}

// killLives kills n processes.
func (u *undisturbed) killLives(t *testing.T, n int, seed uint64) tally {
	sum := newTally()
	rnd := rand.New(rand.NewPCG(5+seed, uint64(n)))
	for sum.kills < n {
		dir := t.TempDir()
		round, lines, embedded, killed := 0, u.lines, 0, 0
		for ; killed < 3 && sum.kills < n && lines > 1; killed++ {
			l := live(t, dir, round, 1+rnd.IntN(lines-1), rnd.IntN(2000))
			embedded += l.embedded
			if round, lines = l.round, lines-l.lines; !l.killed {
				break // it had ended before the signal came
			}
			u.check(t, readStored(t, dir), l)
			sum.kill(l)
		}
		u.finish(t, dir, round, killed, embedded, &sum)
		if t.Failed() {
			t.FailNow()
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	return sum
}

// finish lets a last process do the rest and checks that nobody can tell that
// others were killed before.
func (u *undisturbed) finish(t *testing.T, dir string, round, killed, embedded int, sum *tally) {
	t.Helper()
	last := live(t, dir, round, 0, 0)
	where := fmt.Sprintf("after %d kills and a last process from round %d on", killed, round)
	if last.killed {
		t.Errorf("%s: it was killed after %q", where, last.last)
	}
	if d := cmp.Diff(u.after[killRounds-1], readStored(t, dir)); d != "" {
		t.Errorf("%s: the final state differs (-uninterrupted +killed):\n%s", where, d)
	}
	again := embedded + last.embedded - u.embedded
	if again < 0 || again > killed*killBatch {
		t.Errorf("%s: %d texts were embedded again, want 0 to %d", where, again, killed*killBatch)
	}
	sum.embedded += embedded + last.embedded
	sum.again += again
}

// tally sums up many kills.
type tally struct {
	kills, acks, embedded, again int
	at                           map[string]int // kills by the kind of the line before
}

func (n *tally) kill(l life) {
	n.kills++
	n.acks += len(l.acks)
	kind, _, _ := strings.Cut(l.last, " ")
	if kind == "call" {
		kind = l.last
	}
	n.at[kind]++
}

func newTally() tally { return tally{at: map[string]int{}} }

func (n tally) plus(m tally) tally {
	n.kills, n.acks, n.embedded, n.again = n.kills+m.kills, n.acks+m.acks, n.embedded+m.embedded, n.again+m.again
	n.at = maps.Clone(n.at)
	for kind, kills := range m.at {
		n.at[kind] += kills
	}
	return n
}

func (n tally) String() string {
	return fmt.Sprintf("%d kills, by the step told last: %v\n%d documents acknowledged in the interrupted rounds; %d texts embedded, %d of them again (%.2f %%)",
		n.kills, n.at, n.acks, n.embedded, n.again, 100*float64(n.again)/float64(n.embedded))
}
