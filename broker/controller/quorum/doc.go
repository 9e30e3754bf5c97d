// Package quorum is Raft as Kafka speaks it (KRaft: KIP-595, with the PreVote
// of KIP-996): the agreement of a few voters on one log, in which followers
// pull records from the leader by Fetch instead of having them pushed.
//
// [Core] is a pure step function. It is given an [Input] and the time and
// answers with [Output] values to be carried out in order; it does no I/O,
// starts nothing and draws randomness only from the stream it was given. The
// driver in the parent package owns the log, the file with the vote and the
// connections.
//
// # Roles
//
//	Unattached   knows the epoch, follows nobody; asks around for a leader
//	Prospective  asks the others whether an election would succeed (PreVote)
//	Candidate    asks for votes in a new epoch
//	Leader       appends and answers fetches
//	Follower     fetches from the leader
//	Resigned     was leader of this epoch and will not be again
//
// A node that is not among the voters is an observer: it is Unattached or
// Follower for ever.
//
// # What keeps it safe
//
//   - A vote is made durable before it is answered ([Persist] precedes
//     [Reply]), and there is at most one in an epoch.
//
//   - A voter that restarts never leads again in an epoch it led before: what
//     it had appended but not flushed may be gone, and it would write other
//     records at the same offset of the same epoch (KAFKA-10527).
//
//   - Records count as replicated on a node only once flushed there. A
//     follower fetches at an offset only after everything below it is durable.
//
//   - The high watermark moves only when a record of the leader's own epoch is
//     on a majority (section 5.4.2 of the Raft paper, KAFKA-12619). Each
//     leader begins its epoch with a LeaderChange record for that purpose.
//
//   - A fetch that is answered with a diverging epoch does not count as
//     replication (KAFKA-13141), and nothing below the high watermark is ever
//     truncated (KAFKA-12460): that would be a violated invariant, reported as
//     [Violation].
//
//   - A request can be anyone's. Votes, announcements and resignations count only
//     between voters, and raise the epoch by a bounded step at a time, never to
//     one that could not be exceeded. Who is further behind learns it from the
//     answers to its own requests, which come from where voters are configured to
//     be. A vote is repeated only for a log that deserves it, and a leader that a
//     node only heard of can be another. What a fetch in a voter's name claims to
//     hold is believed: only authentication can tell. (guard.go)
//
// # The beginning of the log
//
// A log may begin after a snapshot, which stands for everything before. A fetch
// from before the beginning, or that parts with the leader's log before it, is
// told of the newest snapshot instead; the follower fetches that in parts,
// installs it, and goes on at its end. A snapshot holds only what is committed
// and never takes back what is. (snapshot.go)
//
// # What keeps it live
//
//   - A leader from which no majority has fetched for one and a half fetch
//     timeouts resigns (check-quorum, KAFKA-15489).
//   - Epochs are raised only by elections that can be won, so a voter behind a
//     partition does not depose the leader when it returns.
//   - A leader that stops tells the others in which order to stand for
//     election (EndQuorumEpoch).
package quorum
