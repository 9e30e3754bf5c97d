package sample

import (
	"context"
	"crypto/rand" // want `import of crypto/rand in simulated code: randomness comes from env.Env.Rand`
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2" // want `import of math/rand/v2 in simulated code: randomness comes from env.Env.Rand`
	"net"
	"os"
	"runtime"
	"syscall"
	"time"

	"example.com/foreign" // want `import of example.com/foreign in simulated code: nobody has read it`
)

const timeout = 3 * time.Second

func clock() time.Duration {
	began := time.Now()                // want `time.Now in simulated code: the time comes from env.Env`
	time.Sleep(timeout)                // want `time.Sleep in simulated code`
	<-time.After(timeout)              // want `time.After in simulated code` `receive from a channel`
	sleep := time.Sleep                // want `time.Sleep in simulated code`
	_ = began.Local()                  // want `Local in simulated code: it depends on the machine`
	_ = time.Unix(1, 0).In(time.Local) // want `time.Local in simulated code`
	sleep(1)
	return time.Since(began) // want `time.Since in simulated code`
}

func machine(c net.Conn, l net.Listener) error {
	if _, err := net.Dial("tcp", "x:1"); err != nil { // want `net.Dial in simulated code: of package net only Conn, Listener`
		return err
	}
	host, port, _ := net.SplitHostPort("a:1")
	_ = net.JoinHostPort(host, port)
	_, err := os.Open("x") // want `os.Open in simulated code: of package os only`
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.ENOSPC) {
		return net.ErrClosed
	}
	var e *os.PathError
	if errors.As(err, &e) {
		return e
	}
	_ = syscall.Getpid()                                            // want `syscall.Getpid in simulated code`
	_ = os.Args                                                     // want `os.Args in simulated code`
	runtime.Gosched()                                               // want `runtime.Gosched in simulated code`
	runtime.SetFinalizer(e, 1)                                      // want `runtime.SetFinalizer in simulated code`
	_, cancel := context.WithTimeout(context.Background(), timeout) // want `context.WithTimeout in simulated code`
	cancel()
	return io.EOF
}

func random() int {
	rand.Read(nil)
	return mrand.Int()
}

func print(w io.Writer, v *int) error {
	fmt.Println("x") // want `fmt.Println in simulated code: tell through env.Env.Event`
	println("x")     // want `builtin println in simulated code`
	fmt.Fprintf(w, "%d %s", 1, "x")
	return fmt.Errorf("at %p", v) // want `%p in simulated code prints an address` `\*int prints an address`
}

type named struct{ at *int }

func (n named) String() string { return "named" }

type node struct {
	id   int
	next *node
}

type hidden struct{ name named }

func addresses(n *node, names []named, byNode map[*node]int, h hidden, pause time.Time, done func()) string {
	s := fmt.Sprint(n)                        // want `\*node prints an address in simulated code \(.next \*sample.node\)`
	s += fmt.Sprintf("%v %d", n.id, *n)       // want `node prints an address`
	s += fmt.Sprint(byNode)                   // want `map\[\*node\]int prints an address in simulated code \(\*sample.node\)`
	s += fmt.Sprintf("%s", []*node{n})        // want `\[\]\*node prints an address`
	s += fmt.Sprint(h)                        // want `hidden prints an address in simulated code \(.name .at \*int\)`
	s += fmt.Sprintf("%T %v", n, done)        // want `func\(\) prints an address`
	s += fmt.Sprintf("%[2]T %[1]v", &n.id, 1) // want `\*int prints an address`
	s += fmt.Sprintf("%*d %T", 3, 4, n)       // a type has no address
	s += tell("%v", struct{ Pause *int }{})   // want `prints an address in simulated code \(.Pause \*int\)`
	s += fmt.Sprint(names, pause, &struct{ a int }{1}, errors.New("x"), nil)
	s += fmt.Sprintf("100%% pure %s", names[0])
	return s
}

func tell(format string, args ...any) string { return fmt.Sprintf(format, args...) }

func zones() (string, error) {
	at := time.Unix(1, 0)                              // want `time.Unix in simulated code gives a time in the zone of the machine: add .UTC\(\)`
	s := time.UnixMilli(5).Format(time.RFC3339)        // want `time.UnixMilli in simulated code gives a time in the zone`
	s += time.UnixMicro(5).Add(timeout).UTC().String() // want `time.UnixMicro in simulated code`
	s += (time.Unix(1, 0)).UTC().String()
	_ = time.Unix(1, 0).Before(at)
	_, err := time.Parse(time.RFC3339, s) // want `time.Parse in simulated code: an offset that the machine's zone has`
	return s, err
}

func stateOfOthers() {
	foreign.State = 1 // want `package variable State changes in simulated code \(it is assigned to\)`
}
