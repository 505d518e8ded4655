package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestDescribe(t *testing.T) {
	for said, want := range map[string]string{
		"too many calls at once": "too many calls at once (Unavailable)",
		"max retries exhausted: failed after 4 attempts: rpc error: code = Unavailable desc = connection refused": "connection refused (Unavailable, tried several times)",
		// of what is behind the service
		"read chunks of x: rpc error: code = Unavailable desc = connection refused": "read chunks of x: rpc error: code = Unavailable desc = connection refused (Unavailable)",
	} {
		if got := describe(status.Error(codes.Unavailable, said)).Error(); got != want {
			t.Errorf("describe(%q) = %q, want %q", said, got, want)
		}
	}
}

// A device is not replaced by a file.
func TestCheckOut(t *testing.T) {
	dir := t.TempDir()
	for name, want := range map[string]string{
		"": "", filepath.Join(dir, "new"): "", dir: "is a directory", os.DevNull: "is no regular file", filepath.Join(dir, "none", "x"): "no such file",
	} {
		if err := checkOut("--out", name); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("checkOut(%q) = %v, want an error with %q", name, err, want)
		}
	}
}
