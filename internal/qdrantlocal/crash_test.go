package qdrantlocal

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/proto"
)

// crashDirEnv makes the test binary a writer that is going to be killed;
// crashFirstEnv is the first id that it writes.
const (
	crashDirEnv   = "QDRANTLOCAL_CRASH_DIR"
	crashFirstEnv = "QDRANTLOCAL_CRASH_FIRST"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDirEnv); dir != "" {
		first, err := strconv.ParseUint(os.Getenv(crashFirstEnv), 10, 64)
		if err == nil {
			err = writeUntilKilled(dir, first)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// crashWriters write at the same time, writer w the ids first+w, first+w+crashWriters and so on.
const crashWriters = 4

// writeUntilKilled upserts points, deletes every fifth again and prints a line
// for everything that was acknowledged, while checkpoints are made all the time.
func writeUntilKilled(dir string, first uint64) error {
	s, err := Open(context.Background(), Options{Dir: dir})
	if err != nil {
		return err
	}
	ps := &pointsServer{s: s}
	ctx := context.Background()
	var print sync.Mutex
	ack := func(op string, n uint64) {
		print.Lock()
		defer print.Unlock()
		fmt.Println(op, n)
	}
	failed := make(chan error, crashWriters+1)
	for w := range uint64(crashWriters) {
		go func() {
			for n := first + w; ; n += crashWriters {
				_, err := ps.Upsert(ctx, &qdrant.UpsertPoints{
					CollectionName: "c", Wait: proto.Bool(true), Points: []*qdrant.PointStruct{hybridPoint(n)},
				})
				if err != nil {
					failed <- err
					return
				}
				ack("stored", n)
				if n%5 == 0 {
					if _, err := ps.Delete(ctx, &qdrant.DeletePoints{CollectionName: "c", Wait: proto.Bool(true), Points: selectIDs(n)}); err != nil {
						failed <- err
						return
					}
					ack("deleted", n)
				}
			}
		}()
	}
	go func() {
		for {
			if err := s.disk.checkpoint(s); err != nil {
				failed <- err
				return
			}
		}
	}()
	return <-failed
}

// TestKilledWhileWriting kills a writing process and checks that everything it
// acknowledged is there, and nothing that it had deleted.
func TestKilledWhileWriting(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := openStore(t, dir)
	callsTo(t, s).createHybrid("c")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	state := map[uint64]string{}
	for round := range 3 {
		// Every child has ids of its own: what it wrote last may be stored without
		// having been acknowledged.
		acknowledged := runAndKill(t, exe, dir, uint64(round)<<32, 40*(round+1))
		for n, op := range acknowledged {
			state[n] = op
		}
		s, err := Open(t.Context(), Options{Dir: dir})
		if err != nil {
			t.Fatalf("open after kill %d: %v", round, err)
		}
		c := callsTo(t, s)
		for n, op := range state {
			got, err := c.pointsServer.Get(t.Context(), &qdrant.GetPoints{
				CollectionName: "c", Ids: []*qdrant.PointId{qdrant.NewIDNum(n)}, WithPayload: qdrant.NewWithPayload(true),
			})
			c.ok(err)
			stored := len(got.GetResult()) == 1
			// A deletion may have happened without having been acknowledged.
			if op == "stored" && !stored && n%5 != 0 || op == "deleted" && stored {
				t.Errorf("after kill %d point %d is stored: %v, but it was acknowledged as %s", round, n, stored, op)
			}
			if stored && got.GetResult()[0].GetPayload()["n"].GetIntegerValue() != int64(n) {
				t.Errorf("after kill %d point %d has the payload %v", round, n, got.GetResult()[0].GetPayload())
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// runAndKill lets a child write until it acknowledged enough updates, kills it
// and returns the last acknowledged state of each point.
func runAndKill(t *testing.T, exe, dir string, first uint64, enough int) map[uint64]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), crashDirEnv+"="+dir, fmt.Sprintf("%s=%d", crashFirstEnv, first))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last := map[uint64]string{}
	lines := bufio.NewScanner(out)
	for seen := 0; lines.Scan(); seen++ {
		var op string
		var n uint64
		if _, err := fmt.Sscan(lines.Text(), &op, &n); err != nil {
			t.Fatalf("child wrote %q: %v", lines.Text(), err)
		}
		last[n] = op
		if seen == enough {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the child ended by itself")
	}
	if len(last) < enough/2 {
		t.Fatalf("the child ended after %d acknowledged points", len(last))
	}
	return last
}
