package embed

import (
	"bufio"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestBehindKeepsChildren: processes that are to end with the thread that started
// them (PR_SET_PDEATHSIG), as parsers do with this program, outlive what is computed
// on that thread.
func TestBehindKeepsChildren(t *testing.T) {
	cat, err := exec.LookPath("cat")
	if err != nil {
		t.Skip(err)
	}
	cmd := exec.Command(cat)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var tid int
	behind(func() { err, tid = cmd.Start(), unix.Gettid() })
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		behind(func() {
			if n := unix.Gettid(); n != tid {
				t.Errorf("computed on the thread %d, before on %d", n, tid)
			}
		})
	}
	if _, err := in.Write([]byte("alive\n")); err != nil {
		t.Error(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "alive\n" {
		t.Errorf("the process answers %q, %v", line, err)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestBehindExits: who ends its goroutine in place of a return has no result, and
// keeps nobody waiting.
func TestBehindExits(t *testing.T) {
	for range 2 {
		func() {
			defer func() {
				if got := recover(); got != errExit {
					t.Errorf("recovered %v, want %v", got, errExit)
				}
			}()
			behind(runtime.Goexit)
		}()
	}
}
