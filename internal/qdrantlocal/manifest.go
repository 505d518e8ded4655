package qdrantlocal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"

	"github.com/ragloop/ragloop/internal/failpoint"
)

// formatVersion is the version of the stored format: records, files and manifest.
const formatVersion = 1

// manifest says which files make up the state.
type manifest struct {
	Version         int    `json:"version"`
	Checkpoint      uint64 `json:"checkpoint"`       // number of the checkpoint; 0: none
	CheckpointBytes int64  `json:"checkpoint_bytes"` // its size
	FirstLog        uint64 `json:"first_log"`        // the first log that is not in the checkpoint
	Checksum        uint32 `json:"crc32c"`           // of the manifest with this field 0
}

// encode returns the file's content, with the checksum filled in.
func (m manifest) encode() ([]byte, error) {
	m.Checksum = 0
	b, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	m.Checksum = crc32.Checksum(b, castagnoli)
	b, err = json.MarshalIndent(m, "", "  ")
	return append(b, '\n'), err
}

func readManifest(name string) (manifest, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return manifest{}, err
	}
	var m manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return manifest{}, &DamageError{File: name, Reason: err.Error()}
	}
	if m.Version > formatVersion {
		return manifest{}, fmt.Errorf("%s has the format version %d, this program reads version %d", name, m.Version, formatVersion)
	}
	if want, err := m.encode(); err != nil || !bytes.Equal(b, want) || m.Version != formatVersion || m.FirstLog == 0 {
		return manifest{}, &DamageError{File: name, Reason: "the content does not have the right checksum"}
	}
	return m, nil
}

// writeManifest replaces the manifest: after a crash there is the old or the new one.
func writeManifest(dir string, m manifest) error {
	b, err := m.encode()
	if err != nil {
		return err
	}
	tmp := filepath.Join(dir, manifestTemp)
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	failpoint.Hit(failpoint.ManifestWritten)
	if err == nil {
		err = f.Sync()
	}
	failpoint.Hit(failpoint.ManifestSynced)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp, filepath.Join(dir, manifestName))
		failpoint.Hit(failpoint.ManifestRenamed)
	}
	if err == nil {
		err = syncDir(dir)
		failpoint.Hit(failpoint.ManifestReady)
	}
	return err
}
