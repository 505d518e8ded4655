//go:build !unix

package qdrantlocal

import (
	"errors"
	"os"
)

func lockDir(string) (*os.File, error) {
	return nil, errors.New("local mode needs file locks of a Unix system; use a Qdrant server instead")
}
