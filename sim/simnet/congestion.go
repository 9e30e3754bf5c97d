package simnet

import "time"

// congestion is how much a sender may have on the way: slow start and loss
// recovery of RFC 5681, congestion avoidance by CUBIC (RFC 9438), which is what
// Linux does. All of it is integers. Times are those of the world.
type congestion struct {
	mss       int64 // bytes of a segment
	window    int64 // bytes that may be on the way (cwnd)
	threshold int64 // below it the window grows by slow start (ssthresh)

	// CUBIC. The epoch begins with the first acknowledgement after a loss.
	inEpoch bool
	epoch   time.Duration
	peak    int64         // window before the latest loss (W_max)
	k       time.Duration // from the epoch until the window is at its peak again (K)
	reno    int64         // window that Reno would have (W_est)
	prior   int64         // window when the loss was noticed (cwnd_prior)
}

const (
	// initialSegments is TCP_INIT_CWND of Linux; RFC 6928 for segments of
	// 1460 bytes.
	initialSegments = 10

	// unlimited is a threshold that no window reaches.
	unlimited = 1 << 40
)

func newCongestion(mss int64) congestion {
	return congestion{mss: mss, window: initialSegments * mss, threshold: unlimited}
}

// acked tells of n bytes that arrived. Only who has used the window may have it
// grow (RFC 9438 5.8).
func (g *congestion) acked(now, rtt time.Duration, n int64, used bool) {
	if !used {
		return
	}
	if g.window < g.threshold {
		g.window += n
		return
	}
	if !g.inEpoch {
		g.inEpoch, g.epoch, g.reno, g.k = true, now, g.window, 0
		if g.window < g.peak {
			// K = cbrt((W_max - cwnd) / C) in seconds and segments, C = 0.4.
			g.k = time.Duration(cubeRoot((g.peak-g.window)/g.mss*2_500_000_000)) * time.Millisecond
		} else {
			g.peak = g.window
		}
	}
	// Reno-friendly region (RFC 9438 4.3): 3(1-β)/(1+β) = 9/17 segments a
	// round trip, and one once what was lost is made up for.
	if add := n * g.mss / g.window; g.reno < g.prior {
		g.reno += add * 9 / 17
	} else {
		g.reno += add
	}
	cubic := g.cubic(now + rtt - g.epoch)
	if cubic < g.reno {
		g.window = max(g.window, g.reno)
		return
	}
	target := min(max(cubic, g.window), g.window*3/2)
	g.window += (target - g.window) * n / g.window
}

// cubic is W_cubic(t) = C (t-K)³ + W_max, t since the epoch.
func (g *congestion) cubic(t time.Duration) int64 {
	const most = 100_000 // ms; keeps the cube within 64 bits
	d := min(max(int64((t-g.k)/time.Millisecond), -most), most)
	return max(g.mss, g.peak+d*d*d/1_000_000*g.mss*4/10_000)
}

// lost tells of a segment that was lost. Duplicate acknowledgements leave the
// window at β = 0.7 of itself (RFC 9438 4.6); a timeout at one segment (RFC 5681
// 3.1).
func (g *congestion) lost(timeout bool) {
	g.prior = g.window
	if g.window < g.peak {
		g.peak = g.window * 17 / 20 // fast convergence, (1+β)/2
	} else {
		g.peak = g.window
	}
	g.threshold = max(g.window*7/10, 2*g.mss)
	g.window = g.threshold
	if timeout {
		g.window = g.mss
	}
	g.inEpoch = false
}

// idle is a pause longer than a retransmission timeout, after which nothing is
// known of the way (RFC 5681 4.1; tcp_slow_start_after_idle of Linux).
func (g *congestion) idle() {
	g.window = min(g.window, initialSegments*g.mss)
	g.inEpoch = false
}

// cubeRoot is the integer below the cube root of n >= 0.
func cubeRoot(n int64) int64 {
	lo, hi := int64(0), int64(2_097_151) // whose cube is below 2^63
	for lo < hi {
		mid := (lo + hi + 1) / 2
		if mid*mid*mid <= n {
			lo = mid
		} else {
			hi = mid - 1
		}
	}
	return lo
}
