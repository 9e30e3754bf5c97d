// Package osenv is [env.Env] on the real operating system: tasks are
// goroutines, connections are TCP, files are files below one directory.
//
//	e, err := osenv.New(osenv.Options{Root: "/var/lib/weir", Node: "broker-1"})
//
// Programs written against env take e and run as they would anywhere else.
// Nothing is modelled here: Work costs nothing because the work itself takes
// the time, and Wall is the machine's own clock. Work calls and bytes sent are
// counted, though, so that the CPU time of a process can be told apart by what
// it did: [Env.Usage].
//
// # What the operating system promises, and how it is asked
//
//   - Sync is fdatasync on Linux, F_FULLFSYNC on Darwin and fsync elsewhere.
//   - SyncDir is fsync of the directory.
//   - Preallocate is fallocate with FALLOC_FL_KEEP_SIZE on Linux, and does
//     nothing where the file system or the system cannot.
//   - SendFile is sendfile on Linux and a copy elsewhere.
//   - TCP_NODELAY and keepalive ([env.DefaultKeepAlive]) are set on every
//     connection; buffers are the system's.
//
// Errors come from the system unchanged, wrapped in the usual *fs.PathError
// and *net.OpError, so that they name the file or the address. The one
// translation is a Dial that ran out of time, which the net package reports in
// its own way and which is os.ErrDeadlineExceeded here.
//
// # Differences a caller can see
//
// On wasip1 there are no sockets: Listen and Dial fail. The order in which
// waiting tasks run is the Go scheduler's, except that a Cond wakes the
// longest waiting first.
//
// # In tests
//
// Tests take their Envs from package osenvtest, which fails a test that ends
// with tasks running or files open and says where these were taken
// ([Options.KeepAccount], [Env.Holdings]).
//
// The package env/envtest holds the conformance suite that this backend and
// the simulated one both pass.
package osenv
