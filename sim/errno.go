package sim

import "syscall"

// errno is an error number of a simulated machine. Its text is Linux's on every
// system that simulates; errors.Is knows it by the system's own number.
type errno struct{ syscall.Errno }

func (e errno) Error() string { return errnoTexts[e.Errno] }

func (e errno) Unwrap() error { return e.Errno }

// Errno is err as a simulated machine returns it. An error number comes with the
// text that Linux has for it, since texts end up in events and messages and each
// system has its own: EIO is "input/output error" on Linux, "I/O error" on wasm.
// All other errors are themselves, and so are numbers that neither files nor
// connections return. What it returns answers to errors.Is with err.
func Errno(err error) error {
	if number, ok := err.(syscall.Errno); ok && errnoTexts[number] != "" {
		return errno{number}
	}
	return err
}

// errnoTexts are the texts of strerror(3), as the Go library writes them, for
// what the manual pages of Linux name for files and connections.
var errnoTexts = map[syscall.Errno]string{
	syscall.EACCES:        "permission denied",
	syscall.EADDRINUSE:    "address already in use",
	syscall.EADDRNOTAVAIL: "cannot assign requested address",
	syscall.EAGAIN:        "resource temporarily unavailable",
	syscall.EBADF:         "bad file descriptor",
	syscall.EBUSY:         "device or resource busy",
	syscall.ECONNABORTED:  "software caused connection abort",
	syscall.ECONNREFUSED:  "connection refused",
	syscall.ECONNRESET:    "connection reset by peer",
	syscall.EDQUOT:        "disk quota exceeded",
	syscall.EEXIST:        "file exists",
	syscall.EFBIG:         "file too large",
	syscall.EHOSTUNREACH:  "no route to host",
	syscall.EINTR:         "interrupted system call",
	syscall.EINVAL:        "invalid argument",
	syscall.EIO:           "input/output error",
	syscall.EISDIR:        "is a directory",
	syscall.ELOOP:         "too many levels of symbolic links",
	syscall.EMFILE:        "too many open files",
	syscall.EMLINK:        "too many links",
	syscall.ENAMETOOLONG:  "file name too long",
	syscall.ENETDOWN:      "network is down",
	syscall.ENETUNREACH:   "network is unreachable",
	syscall.ENFILE:        "too many open files in system",
	syscall.ENOBUFS:       "no buffer space available",
	syscall.ENODEV:        "no such device",
	syscall.ENOENT:        "no such file or directory",
	syscall.ENOMEM:        "cannot allocate memory",
	syscall.ENOSPC:        "no space left on device",
	syscall.ENOTCONN:      "transport endpoint is not connected",
	syscall.ENOTDIR:       "not a directory",
	syscall.ENOTEMPTY:     "directory not empty",
	syscall.ENXIO:         "no such device or address",
	syscall.EPERM:         "operation not permitted",
	syscall.EPIPE:         "broken pipe",
	syscall.EROFS:         "read-only file system",
	syscall.ETIMEDOUT:     "connection timed out",
	syscall.EXDEV:         "invalid cross-device link",
}
