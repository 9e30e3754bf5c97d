// Package simnet is a simulated network for machines of package sim.
//
//	net := simnet.New(k, simnet.Options{})
//	net.Attach(node, "broker-1")      // now node's programs can Listen and Dial
//	cut := net.Partition([]string{"broker-1"}, []string{"broker-2", "broker-3"}, false)
//	cut.Heal()
//
// Connections are byte streams with the behaviour of TCP as programs see it on
// Linux:
//
//   - Bytes of one connection arrive in order; nothing is ordered across
//     connections. Each flight draws its latency from the link's quantiles and
//     queues for the bandwidth of link and network cards.
//   - Cards may have burst credits ([Network.SetLimiter]), and several hosts may
//     be processes of one machine ([Network.Colocate]), which meet over loopback.
//   - A sender may be a window ahead of its reader, then Write blocks. Of that
//     window it has on the way what congestion control allows: ten segments at
//     first and after a pause, slow start, CUBIC (RFC 5681, 9438). A lost packet
//     of a long flight costs a round trip, of a short one a timeout, and both
//     part of the window. Buffers grow with what a long way can carry.
//   - A stream tears anywhere: a reader may see the first bytes of a write
//     without the rest ([Options.TearOneIn]).
//   - Close sends FIN, or RST if unread bytes are thrown away. Bytes that reach
//     a closed socket are answered with RST.
//   - A process that crashes has its sockets closed by its kernel. A machine
//     that loses power says nothing: its peers are half-open until they send
//     something that reaches the machine after it came back, which answers RST,
//     or until retransmission gives up with ETIMEDOUT, or until probes of a
//     silent peer do ([env.KeepAlive]). What had not left the machine when its
//     power went never arrives: bytes behind the congestion window, in the queue
//     of its card, or lost and not yet sent again.
//   - Dialing a port nobody listens on is refused after a round trip; dialing
//     into a full backlog, a cut or a dead machine repeats the SYN after 1, 2,
//     4… seconds until the timeout.
//   - A cut holds what is sent into it. When it heals, what was held arrives
//     after the rest of a retransmission backoff, or, if the network forgot the
//     connection meanwhile, never: the sender is reset and its peer is
//     half-open. Which of the two is drawn for each connection, or set with
//     [Network.PartitionFate].
//   - A cut in one direction also stops the acknowledgements of the other: bytes
//     arrive, but window updates and answers do not.
//
// What the network did because of faults is counted in [Stats], so that a test
// can tell whether a fault had any effect.
//
// Package sim knows the network only as an env.Network; all its events belong
// to the world, since a machine's kernel receives while its program is paused.
package simnet
