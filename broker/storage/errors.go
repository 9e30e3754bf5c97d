package storage

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/twmb/franz-go/pkg/kerr"
)

// CorruptError reports bytes in a file that are not what was written there.
// Nothing at or behind Position was returned to the caller.
type CorruptError struct {
	File     string // path below the root of the file system
	Position int64  // byte position of the damaged batch, entry or line
	Reason   string // what was expected and what was found
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("storage: %s is corrupt at byte %d: %s", e.File, e.Position, e.Reason)
}

// AppendError reports an append that did not happen: no byte of it is in the
// log. Code is what the protocol answers for it.
type AppendError struct {
	Code    int16 // a Kafka error code
	Message string
	Err     error // the cause, or nil

	// Records are those at fault, if it was single records: the first of them.
	Records []RecordError
}

func (e *AppendError) Error() string {
	return "storage: append refused: " + e.Message
}

// Unwrap gives the cause, and the kerr error of the code, to errors.Is.
func (e *AppendError) Unwrap() []error {
	known := kerr.ErrorForCode(e.Code)
	if e.Err == nil {
		return []error{known}
	}
	return []error{known, e.Err}
}

func refuse(code int16, format string, args ...any) *AppendError {
	return &AppendError{Code: code, Message: fmt.Sprintf(format, args...)}
}

// OffsetOutOfRangeError reports an offset outside [Start, End] of a log.
type OffsetOutOfRangeError struct {
	Dir                string
	Offset, Start, End int64
}

func (e *OffsetOutOfRangeError) Error() string {
	return fmt.Sprintf("storage: offset %d of log %s is out of range: the log holds [%d, %d)",
		e.Offset, e.Dir, e.Start, e.End)
}

// Unwrap makes errors.Is(err, kerr.OffsetOutOfRange) hold.
func (e *OffsetOutOfRangeError) Unwrap() error { return kerr.OffsetOutOfRange }

// IOError reports a file operation that failed. If Fenced, what the file holds
// is no longer known and the log takes no more writes until it is opened anew.
type IOError struct {
	Op       string // "write", "sync", "truncate", …
	File     string
	Position int64 // where in the file, -1 if the operation has no position
	Fenced   bool
	Err      error // from the file system: syscall.ENOSPC, syscall.EIO, …
}

func (e *IOError) Error() string {
	s := fmt.Sprintf("storage: %s %s", e.Op, e.File)
	if e.Position >= 0 {
		s += fmt.Sprintf(" at byte %d", e.Position)
	}
	s += ": " + e.Err.Error()
	if e.Fenced {
		s += " (the log takes no more writes until it is opened again)"
	}
	return s
}

func (e *IOError) Unwrap() error { return e.Err }

// NothingLost reports whether an error only says that a disk has no room for
// more: what was written before is as it was.
func NothingLost(err error) bool {
	var failed *IOError
	return errors.Is(err, syscall.ENOSPC) && errors.As(err, &failed) && !failed.Fenced && (failed.Op == "write" || failed.Op == "create")
}
