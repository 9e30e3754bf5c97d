package calibrate

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"time"

	"github.com/weirlab/weir/sim"
)

// RoundTrips is what was measured of round trips of one kind over the loopback
// interface, between two processes.
type RoundTrips struct {
	// Bytes is the size of the question; the answer has one byte.
	Bytes int64
	// Pause is how long nothing was sent before each; with none the cores had
	// no time to fall asleep.
	Pause time.Duration
	Count int
	// Latency is the distribution of the time from question to answer.
	Latency []sim.Quantile
	// CPUNanos is the CPU time of both processes for one round trip.
	CPUNanos int64
}

// Loopback is what was measured of the loopback interface.
type Loopback struct {
	RoundTrips []RoundTrips
	// BytesPerSecond is the rate of one connection that sends without pause.
	BytesPerSecond int64
}

// Find is the round trips of a size and a pause.
func (l *Loopback) Find(bytes int64, pause time.Duration) (RoundTrips, bool) {
	for _, r := range l.RoundTrips {
		if r.Bytes == bytes && r.Pause == pause {
			return r, true
		}
	}
	return RoundTrips{}, false
}

// IdlePause is the pause before the round trips that find the machine idle.
const IdlePause = 2 * time.Millisecond

// LoopbackOptions says how to measure the loopback interface.
type LoopbackOptions struct {
	// Echo is a program with its arguments that calls Echo on its standard
	// input and output: the other process.
	Echo []string
	// PerSeries is the time for each kind of round trip; 400 ms if zero.
	PerSeries time.Duration
	// BulkBytes is how much is sent to measure bandwidth; 256 MiB if zero.
	BulkBytes int64
	// Progress is told what is measured next; nil is fine.
	Progress func(what string)
}

// questionBytes is the size of what stands before every question: its size and
// the CPU time asked for.
const (
	questionBytes = 9
	answerBytes   = 1
	usageBytes    = 8

	plainQuestion = 0
	usageQuestion = 1 // answered with the CPU time that the process has used
)

// Echo is the other process: it listens, tells its address on out, and answers
// one connection until that ends or in does.
func Echo(in io.Reader, out io.Writer) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("calibrate: listening on the loopback interface: %w", err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		_, _ = io.Copy(io.Discard, in) // ends when the measuring process does
		_ = l.Close()
	}()
	if _, err := fmt.Fprintln(out, l.Addr()); err != nil {
		return err
	}
	conn, err := l.Accept()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := answer(conn); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// answer answers questions as a broker's connection does: one task, blocking.
func answer(conn net.Conn) error {
	r := bufio.NewReaderSize(conn, 64<<10)
	var head [questionBytes]byte
	for {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, r, int64(binary.BigEndian.Uint64(head[1:]))); err != nil {
			return err
		}
		reply := []byte{0}
		if head[0] == usageQuestion {
			reply = binary.BigEndian.AppendUint64(nil, uint64(CPUTime()))
		}
		if _, err := conn.Write(reply); err != nil {
			return err
		}
	}
}

// asker is the measuring end of the connection.
type asker struct {
	conn  net.Conn
	frame []byte
}

func (a *asker) ask(kind byte, size int64, reply []byte) error {
	n := questionBytes + int(size)
	if cap(a.frame) < n {
		a.frame = make([]byte, n)
	}
	a.frame = a.frame[:n]
	a.frame[0] = kind
	binary.BigEndian.PutUint64(a.frame[1:], uint64(size))
	if _, err := a.conn.Write(a.frame); err != nil {
		return err
	}
	_, err := io.ReadFull(a.conn, reply)
	return err
}

// cpu is the CPU time that both processes have used.
func (a *asker) cpu() (time.Duration, error) {
	var reply [usageBytes]byte
	if err := a.ask(usageQuestion, 0, reply[:]); err != nil {
		return 0, err
	}
	return CPUTime() + time.Duration(binary.BigEndian.Uint64(reply[:])), nil
}

// MeasureLoopback measures the loopback interface between this process and the
// one that o.Echo starts.
func MeasureLoopback(o LoopbackOptions) (_ *Loopback, err error) {
	if o.PerSeries <= 0 {
		o.PerSeries = 400 * time.Millisecond
	}
	if o.BulkBytes <= 0 {
		o.BulkBytes = 256 << 20
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	conn, end, err := dialEcho(o.Echo)
	if err != nil {
		return nil, fmt.Errorf("calibrate: measuring the loopback interface: %w", err)
	}
	defer func() { err = errors.Join(err, end()) }()
	a := &asker{conn: conn}
	l := &Loopback{}
	for _, pause := range []time.Duration{0, IdlePause} {
		for _, size := range []int64{1, 1 << 10, 16 << 10, 64 << 10, 256 << 10} {
			o.Progress(fmt.Sprintf("loopback round trips of %d bytes, pause %v", size, pause))
			r, err := a.roundTrips(size, pause, o.PerSeries)
			if err != nil {
				return nil, fmt.Errorf("calibrate: loopback round trips of %d bytes: %w", size, err)
			}
			l.RoundTrips = append(l.RoundTrips, r)
		}
	}
	o.Progress("loopback bandwidth")
	begin, sent := time.Now(), int64(0)
	for ; sent < o.BulkBytes; sent += 1 << 20 {
		if err := a.ask(plainQuestion, 1<<20, make([]byte, answerBytes)); err != nil {
			return nil, fmt.Errorf("calibrate: loopback bandwidth: %w", err)
		}
	}
	l.BytesPerSecond = rateOf(sent, time.Since(begin))
	return l, nil
}

func rateOf(bytes int64, took time.Duration) int64 { return int64(float64(bytes) / took.Seconds()) }

func (a *asker) roundTrips(size int64, pause, span time.Duration) (RoundTrips, error) {
	var reply [answerBytes]byte
	var samples []time.Duration
	before, err := a.cpu()
	if err != nil {
		return RoundTrips{}, err
	}
	for start := time.Now(); time.Since(start) < span || len(samples) == 0; {
		if pause > 0 {
			time.Sleep(pause)
		}
		begin := time.Now()
		if err := a.ask(plainQuestion, size, reply[:]); err != nil {
			return RoundTrips{}, err
		}
		samples = append(samples, time.Since(begin))
	}
	after, err := a.cpu()
	return RoundTrips{
		Bytes: size, Pause: pause, Count: len(samples), Latency: quantilesOf(samples),
		CPUNanos: int64(after-before) / int64(len(samples)),
	}, err
}

// dialEcho starts the other process and connects to it.
func dialEcho(command []string) (_ net.Conn, end func() error, err error) {
	if len(command) == 0 {
		return nil, nil, errors.New("LoopbackOptions.Echo names no program")
	}
	cmd := exec.Command(command[0], command[1:]...)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, fmt.Errorf("starting %s: %w", command[0], err)
	}
	end = func() error {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("the other process: %w", err)
		}
		return nil
	}
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("the other process told no address: %w", err), end())
	}
	conn, err := net.DialTimeout("tcp", strings.TrimSpace(addr), 5*time.Second)
	if err != nil {
		return nil, nil, errors.Join(err, end())
	}
	stop := end
	end = func() error {
		_ = conn.Close()
		return stop()
	}
	return conn, end, nil
}
