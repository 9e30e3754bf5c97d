// Package controller is the cluster's brain: it keeps the metadata log with
// the other voters of the quorum and, on the voter that leads, decides who
// leads which partition (KIP-500, KIP-631).
//
// Three layers, each of which can be read alone:
//
//   - quorum.Core agrees on the log. It is pure.
//   - machine decides what a request changes: given an image of the cluster it
//     writes records and an answer. It is pure, too: machine.go is the list of
//     what it knows, one file a subject (brokers.go, topics.go, elect.go,
//     alterpartition.go, reassign.go, configs.go, placement.go).
//   - [Node] carries both on an env.Env: one task owns them and takes what
//     happens from an inbox; a task per peer sends.
//
// # The life of a request
//
// A broker's request arrives at Handle and goes into the inbox. The loop lets
// the machine judge it against the working image, which includes records not
// yet committed, appends the records as one batch, and keeps the answer until
// the batch is committed. So requests are judged in the order of the log, and
// nobody hears of a change that could still be undone. If leadership is lost
// first, the answer is NOT_CONTROLLER, and whether the change takes effect is
// decided by the next leader's log.
//
// All requests that wait in the inbox share one fsync.
//
// Who creates topics or partitions is answered a little later, when the brokers
// have applied them (spread.go). They tell with their heartbeats.
//
// A new leader becomes active only when the first record of its epoch is
// committed: then everything before it is as well, and its working image is
// the truth.
//
// # What is on disk
//
// The directory of the metadata log holds, beside the segments, the file
// quorum-state with the epoch, its leader and the vote, which is replaced
// durably before any answer depends on it, and snapshots.
//
// A snapshot (snapshot.go) is the records that give the image there was at an
// offset (KIP-630). Every node writes one when enough came after the one before,
// by bytes or by age (snapshotting.go), in a task beside the loop, since images
// do not change. It keeps the newest two, and the log from the end of the
// older on: who is a little behind is served from the log, who is further behind
// by the newest snapshot. A node that starts goes on from the newest snapshot
// that is whole and the tail of the log; whatever a crash left of either,
// quorum.Recover knows what counts.
//
// # What is believed
//
// The requests of strangers reach this package too. Nothing that they say is
// written unchecked: quorum/guard.go is about votes and epochs, brokers.go about
// registrations. A broker that registers must prove, by the epoch it had and the
// directories it has, that it holds what it held; who cannot is no eligible
// leader any more (KIP-966). That also holds for one that was unregistered
// meanwhile.
//
// The first controller names the cluster, by a random id unless one is
// configured; the name is a record like any other.
package controller
