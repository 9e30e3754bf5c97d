package env

import (
	"io"
	"net"
	"time"
)

// Env is one process's view of its machine. All methods may be called from
// any task of the process.
type Env interface {
	Clock
	Tasks
	Network

	// NodeName is the name of the machine, for logs and traces.
	NodeName() string

	// BootID names the time since the machine was last powered on. Two
	// processes of a machine that see the same one had no loss of power between
	// them: all that the first wrote to its files, the second finds there,
	// synced or not. It is empty where the machine cannot tell.
	BootID() string

	// FS is the process's file system.
	FS() FS

	// Work charges the CPU time of one operation of kind op over n units
	// (usually bytes). In simulation the machine profile prices it and the
	// task occupies a core for that long; on the operating system it is free,
	// since there the work itself takes the time, and only counted. Package
	// sim/machine lists the operations.
	Work(op string, n int64)

	// Rand is the random stream for one purpose of one entity. The same
	// purpose and entity always name the same stream, and no stream depends on
	// how much was drawn from another. Asking again does not start it anew.
	Rand(purpose, entity string) *Rand

	// Lab is where the program asks whether something rare is to happen and
	// tells where it has been. It is nil on the operating system, where nothing
	// of that is done; all methods of a nil [Lab] may be called.
	Lab() *Lab

	// Event records something worth telling: an election, a truncation, a
	// recovery. In simulation it is part of the trace hash.
	Event(name string, attrs ...Attr)
}

// Clock is a machine's notion of time.
type Clock interface {
	// Now is monotonic time since an arbitrary origin. It never goes back and
	// no clock fault touches it.
	Now() time.Duration

	// Wall is the machine's wall clock, which may be wrong and may jump.
	Wall() time.Time

	// Deadline is the instant d from now in the form that SetDeadline of this
	// Env's connections expects. It follows Now, not Wall.
	Deadline(d time.Duration) time.Time

	// Sleep blocks the task for d of monotonic time.
	Sleep(d time.Duration)

	// AfterFunc runs fn in a new task once d has passed, unless stopped.
	AfterFunc(d time.Duration, name string, fn func()) Timer
}

// Timer is a pending AfterFunc.
type Timer interface {
	// Stop prevents the function from starting and reports whether it did so.
	Stop() bool
}

// Tasks starts tasks and makes the places where they meet.
type Tasks interface {
	// Go starts fn as a task. The name shows in traces and stack dumps.
	// A panic in a task ends the process: the real one on the operating
	// system, the simulated one (as a finding) in simulation.
	Go(name string, fn func()) Task

	// Yield lets other runnable tasks go first.
	Yield()

	// NewMutex returns an unlocked mutex.
	NewMutex() Mutex

	// NewCond returns a condition variable tied to m.
	NewCond(m Mutex) Cond

	// NewSignal returns a one-shot event that has not happened yet.
	NewSignal() Signal
}

// Task is a started task.
type Task interface {
	Name() string

	// Wait blocks until the task's function has returned.
	Wait()

	// Done reports whether the task's function has returned.
	Done() bool
}

// Mutex is a mutual-exclusion lock. Unlocking an unlocked Mutex panics.
type Mutex interface {
	Lock()
	Unlock()
}

// Cond is a condition variable. The Mutex must be held to wait and should be
// held to wake; every wait can also end for no reason, so callers loop.
type Cond interface {
	// Wait releases the Mutex, blocks until woken, and takes the Mutex again.
	Wait()

	// WaitTimeout is Wait for at most d. It reports false if d ran out.
	WaitTimeout(d time.Duration) bool

	// Signal wakes one waiter, the longest waiting first.
	Signal()

	// Broadcast wakes all waiters.
	Broadcast()
}

// Forever, given to Signal.Wait, waits without limit.
const Forever time.Duration = -1

// Signal is an event that happens at most once: the end of a request, an
// order to stop, an answer that arrived. It never needs to be closed.
type Signal interface {
	// Set makes the event happen. Setting it again does nothing.
	Set()

	// IsSet reports whether it has happened.
	IsSet() bool

	// Wait blocks until it happens or d has passed, and reports whether it
	// has happened. With d == Forever there is no limit; with d == 0 it is IsSet.
	Wait(d time.Duration) bool
}

// Network opens byte-stream connections. Addresses are "host:port"; port 0 in
// Listen picks a free one.
//
// Errors answer to errors.Is with what the kernel would say:
// syscall.ECONNREFUSED (nobody listens), syscall.ECONNRESET (reset by peer),
// syscall.ETIMEDOUT (the peer has vanished; see [KeepAlive]),
// syscall.EPIPE (write after reset), syscall.EADDRINUSE, io.EOF (orderly end),
// net.ErrClosed (closed here), os.ErrDeadlineExceeded (deadline passed; it also answers
// Timeout() true).
type Network interface {
	Listen(addr string) (net.Listener, error)

	// Dial connects, giving up after timeout with os.ErrDeadlineExceeded.
	Dial(addr string, timeout time.Duration) (net.Conn, error)
}

// FS is a file system. Names are slash-separated paths relative to its root;
// "." is the root.
//
// Errors answer to errors.Is with fs.ErrNotExist, fs.ErrExist,
// syscall.ENOSPC (disk full), syscall.EIO (device error), fs.ErrClosed.
//
// What survives a crash of the process: everything written. What surely
// survives a loss of power: file content as of the last Sync of that file,
// and names (created, renamed, removed) as of the last SyncDir of their
// directory. Anything later may survive, be torn, or vanish, each file and
// each name for itself.
type FS interface {
	// Open opens an existing file for reading and writing.
	Open(name string) (File, error)

	// Create opens a file for reading and writing, truncating it if it exists.
	Create(name string) (File, error)

	// OpenOrCreate opens a file for reading and writing, creating it empty if
	// it does not exist.
	OpenOrCreate(name string) (File, error)

	// MkdirAll makes a directory and its missing parents.
	MkdirAll(dir string) error

	// Remove removes a file or an empty directory.
	Remove(name string) error

	// RemoveAll removes a file or a directory with all it holds; a missing
	// name is no error.
	RemoveAll(name string) error

	// Rename moves a file or directory, replacing a file of the new name. It is
	// one change: it survives as a whole or not at all.
	Rename(oldName, newName string) error

	// ReadDir lists a directory, sorted by name.
	ReadDir(dir string) ([]FileInfo, error)

	// Stat describes a file or directory.
	Stat(name string) (FileInfo, error)

	// SyncDir makes the names in a directory durable.
	SyncDir(dir string) error

	// Usage is the size of the file system that a directory is on and what is
	// free of it, in bytes.
	Usage(dir string) (totalBytes, freeBytes int64, err error)
}

// FileInfo describes one directory entry.
type FileInfo struct {
	Name      string // base name
	SizeBytes int64
	IsDir     bool
}

// File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer

	// Name is the name it was opened under.
	Name() string

	// Size is the file's length in bytes.
	Size() (int64, error)

	// Truncate sets the length, filling with zeros if it grows.
	Truncate(size int64) error

	// Preallocate reserves disk space for [off, off+n) without changing the
	// length.
	Preallocate(off, n int64) error

	// Sync makes content and length durable (fdatasync).
	Sync() error
}

// Attr is one named value of an Event.
type Attr struct {
	Key    string
	Text   string // the value, if IsText
	Int    int64  // the value, if not IsText
	IsText bool
}

// Text is a textual attribute.
func Text(key, value string) Attr { return Attr{Key: key, Text: value, IsText: true} }

// Int is an integer attribute.
func Int[T ~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32](key string, value T) Attr {
	return Attr{Key: key, Int: int64(value)}
}
