// Package envtest is the contract of package env as tests. Every backend runs
// the same suite:
//
//	func TestConformance(t *testing.T) {
//		envtest.Run(t, func(t *testing.T) envtest.World { return newWorld(t) })
//	}
//
// A test is one or two programs that run as tasks on the machines of a
// [World]. What they assert is what a program may rely on, and no more: that
// a sleep lasts at least so long, never that it lasts no longer; that a cut
// connection fails, and with which error, never after how many bytes.
//
// # Failures and their twins
//
// A simulated failure is only worth something if the real kernel fails the
// same way. So the suite holds the failures as well, and the operating system
// runs them too: a process killed with SIGKILL, a connection reset, a backlog
// that is full, a disk that is full, a machine whose power is cut. Worlds
// offer those through optional interfaces ([Killer], [PowerCutter],
// [DiskLimiter], [DiskBreaker], [SilentAddresser]); a world that lacks one skips those tests
// and says why.
//
// # Writing a program
//
// A program gets a [P]: the machine's Env, usable with testify's require from
// any task started through P.Go. Variables shared by tasks of one machine are
// ordered by the Env's own primitives, so the race detector checks that these
// give the ordering they promise. Programs on two machines talk through
// [Board], which polls with Sleep and so works in any world.
package envtest
