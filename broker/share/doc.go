// Package share holds what a share group (KIP-932) makes of a partition: which of its
// records are in whose hands, how often each has been delivered, and which are done.
//
// Two brokers keep it. The leader of the partition hands records out and takes the
// acknowledgements. The share coordinator, which is the leader of the partition of
// __share_group_state that [Key.String] hashes to, keeps what must outlive the leader,
// as a [State]. The leader reads it when it begins and writes what changes, over a
// [Persister].
package share
