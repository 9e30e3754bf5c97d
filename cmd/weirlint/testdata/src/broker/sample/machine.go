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
	return fmt.Errorf("at %p", v) // want `%p in simulated code prints an address`
}

func stateOfOthers() {
	foreign.State = 1 // want `package variable State changes in simulated code \(it is assigned to\)`
}
