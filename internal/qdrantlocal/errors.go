package qdrantlocal

import (
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

var (
	// ErrLocked is wrapped by Open's error when another process (or another
	// Store of this process) has the data directory open.
	ErrLocked = errors.New("data directory is in use by another process")
	// ErrClosed is wrapped by the error of a write after Close.
	ErrClosed = errors.New("local store is closed")
	// ErrReadOnly is wrapped by the error of every write after a write to disk
	// or an fsync failed: what the disk holds is then unknown until the
	// directory is opened again.
	ErrReadOnly = errors.New("local store is read-only after a failed write to disk")
)

// DamageError says that stored bytes are not what was written. Its gRPC code is DataLoss.
type DamageError struct {
	File   string // path
	Offset int64  // of the damaged record, in bytes from the start of the file
	Reason string
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("damaged data in %s at offset %d: %s", e.File, e.Offset, e.Reason)
}

// GRPCStatus makes status.FromError answer DataLoss.
func (e *DamageError) GRPCStatus() *status.Status { return status.New(codes.DataLoss, e.Error()) }

func invalid(format string, a ...any) error {
	return status.Errorf(codes.InvalidArgument, "Wrong input: "+format, a...)
}

func noCollection(name string) error {
	return status.Errorf(codes.NotFound, "Not found: Collection `%s` doesn't exist!", name)
}

// unsupported answers a request that uses a part of the API which local mode does not have.
func unsupported(feature string) error {
	return status.Errorf(codes.Unimplemented, "local mode does not implement %s", feature)
}

func malformed(what string) error {
	return status.Errorf(codes.InvalidArgument, "Malformed %s", what)
}

func badRequest(format string, a ...any) error {
	return status.Errorf(codes.InvalidArgument, "Bad request: "+format, a...)
}
