package isolate

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ragloop/ragloop/ingest/extract"
)

// world describes what this process has: its environment, its descriptors and
// its limits.
func world() string {
	var b strings.Builder
	fmt.Fprintf(&b, "environment: %q\n", os.Environ())
	fds, _ := os.ReadDir("/proc/self/fd")
	for _, fd := range fds {
		to, err := os.Readlink("/proc/self/fd/" + fd.Name())
		if err == nil {
			kind, _, _ := strings.Cut(to, ":[")
			fmt.Fprintf(&b, "open: %s\n", kind)
		}
	}
	for _, l := range []struct {
		name string
		what int
	}{{"core", unix.RLIMIT_CORE}, {"files", unix.RLIMIT_NOFILE}} {
		var r unix.Rlimit
		err := unix.Getrlimit(l.what, &r)
		fmt.Fprintf(&b, "limit: %s %d %d %v\n", l.name, r.Cur, r.Max, err)
	}
	return b.String()
}

// residentPeak returns the most memory that a living process has held, 0 where
// it is unknown.
func residentPeak(pid int) int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	var kib int
	fmt.Sscan(after, &kib)
	return kib << 10
}

// A parser process has three pipes, the null device and what the runtime opens.
func TestNothingIsInherited(t *testing.T) {
	t.Setenv("SECRET", "x")
	secret, err := os.Open("/etc/hostname")
	if err != nil {
		t.Skip(err)
	}
	defer secret.Close()
	// As if this program had been started with it.
	if _, err := unix.FcntlInt(secret.Fd(), unix.F_SETFD, 0); err != nil {
		t.Fatal(err)
	}
	_ = unix.CloseRange(3, 1<<31, unix.CLOSE_RANGE_CLOEXEC) // sealDescriptors has run for an earlier test
	doc, err := pool(t, Options{}).Extract(t.Context(), extract.Input{Name: "x", MediaType: "test/world", Data: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	pipes := 0
	for line := range strings.Lines(doc.Text) {
		line = strings.TrimSpace(line)
		switch what, rest, _ := strings.Cut(line, ": "); what {
		case "environment":
			if rest != "[]" {
				t.Error(line)
			}
		case "open":
			switch {
			case rest == "pipe":
				pipes++
			case rest == "/dev/null", strings.HasPrefix(rest, "/sys/fs/cgroup/"), strings.HasPrefix(rest, "anon_inode"), strings.HasPrefix(rest, "/proc/"):
			default:
				t.Error(line)
			}
		case "limit":
			if rest != "core 0 0 <nil>" && rest != fmt.Sprintf("files %d %d <nil>", openFiles, openFiles) {
				t.Error(line)
			}
		default:
			t.Error(line)
		}
	}
	if pipes != 3 {
		t.Errorf("%d pipes in\n%s", pipes, doc.Text)
	}
}

// A parser does not outlive the process that started it, whatever it is doing.
func TestParserDiesWithItsParent(t *testing.T) {
	parent := exec.Command(os.Args[0], parentArgument)
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	defer parent.Wait()
	defer parent.Process.Kill()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(line)
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Skip("no descriptors of processes here:", err)
	}
	defer unix.Close(fd)
	alive := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if n, err := unix.Poll(alive, 0); n != 0 || err != nil {
		t.Fatalf("the parser has ended before its parent: %v", err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for {
		n, err := unix.Poll(alive, 20_000)
		if err == unix.EINTR {
			continue
		}
		if n != 1 {
			t.Fatalf("the parser lives on, %v", err)
		}
		return
	}
}
