package replication

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirlab/weir/env/planted"
)

// follow makes the replica a follower in an epoch, or changes what it knows of
// the ISR in the epoch it is in.
func (s *State) follow(a *Assignment, newEpoch bool, out []Output) []Output {
	s.followers, s.epochStart = nil, unknownOffset
	if !newEpoch && s.role == RoleFollower {
		return out
	}
	s.role = RoleFollower
	out = append(out, Output{Kind: OutFollow, Leader: s.leader, Epoch: s.epoch})
	if s.leader == noLeader || !slices.Contains(s.replicas, s.self) {
		return append(out, Output{Kind: OutStopFetch})
	}
	// Whether or not the leader is another one, the logs are compared anew in
	// every epoch (KAFKA-7164): each fetch carries the follower's last epoch.
	if s.hw < s.log.End && !s.obeys(GuardTruncateByEpoch) {
		out = append(out, Output{Kind: OutTruncate, Offset: s.hw})
	}
	return append(out, Output{Kind: OutStartFetch, Leader: s.leader, Epoch: s.epoch})
}

// FetchAnswer is a leader's answer to this replica's fetch, with what the
// replica's own log says of the diverging epoch.
type FetchAnswer struct {
	// From the request.
	AskedEpoch  int32 // leader epoch
	AskedOffset int64
	AskedLast   int32 // epoch of the last batch; -1 if the log was empty

	Code          int16
	HighWatermark int64
	LogStart      int64 // -1 if unknown

	Diverging      bool
	DivergingEpoch int32
	DivergingEnd   int64
	OwnEpoch       int32 // Log.EpochEnd(DivergingEpoch) of the replica's own log
	OwnEnd         int64

	HasRecords   bool
	HighestEpoch int32 // of the batches; -1 if there are none
}

// Answered takes in a leader's answer. With OutAppend the caller appends,
// reports with Appended and then calls Replicated; if the append fails it
// fetches again after a pause.
func (s *State) Answered(f FetchAnswer, out []Output) []Output {
	if s.role != RoleFollower || s.leader == noLeader {
		return append(out, Output{Kind: OutIgnore})
	}
	if (f.AskedEpoch != s.epoch || f.AskedOffset != s.log.End || f.AskedLast != s.log.Epoch) && s.obeys(GuardFetchStillCurrent) {
		return append(out, Output{Kind: OutIgnore})
	}
	switch {
	case f.Code == kerr.OffsetOutOfRange.Code:
		return s.outOfRange(&f, out)
	case f.Code != 0:
		return append(out, Output{Kind: OutBackOff})
	case f.Diverging && planted.Is("restart-on-divergence"):
		return append(out, Output{Kind: OutRestartAt, Offset: f.LogStart})
	case f.Diverging:
		if !s.obeys(GuardHighWatermarkAfterTruncation) {
			out = s.Replicated(f, out)
		}
		return append(out, Output{Kind: OutTruncate, Offset: s.divergence(&f)})
	case f.HasRecords && f.HighestEpoch > f.AskedEpoch && s.obeys(GuardBatchEpoch) && !planted.Is("bytes-of-a-later-epoch"):
		return append(out, Output{Kind: OutBackOff})
	case f.HasRecords:
		return append(out, Output{Kind: OutAppend})
	}
	return s.Replicated(f, out)
}

// divergence is where the replica's log must be cut after a diverging answer.
// If the replica does not know the leader's epoch, everything of later epochs
// goes and the next fetch asks again (KIP-279).
func (s *State) divergence(f *FetchAnswer) int64 {
	to := min(f.DivergingEnd, s.log.End)
	if f.OwnEpoch >= 0 && (f.OwnEnd >= to || !planted.Is("leaders-end-only")) {
		to = min(to, f.OwnEnd)
	}
	// It may lie below the replica's log start: after an unclean election the
	// leader's log may be another from an offset on that was trimmed here.
	return max(to, 0)
}

// outOfRange handles a leader whose log does not reach the replica's end. If
// the leader has dropped what the replica lacks, the replica starts over.
func (s *State) outOfRange(f *FetchAnswer, out []Output) []Output {
	if f.LogStart > s.log.End || f.LogStart >= 0 && s.log.Start == s.log.End && f.LogStart != s.log.End {
		return append(out, Output{Kind: OutRestartAt, Offset: f.LogStart})
	}
	return append(out, Output{Kind: OutBackOff})
}

// Replicated takes the leader's high watermark and log start, once the answer's
// records are in the log.
func (s *State) Replicated(f FetchAnswer, out []Output) []Output {
	hw := min(f.HighWatermark, s.log.End)
	if f.HighWatermark > s.log.End && planted.Is("high-watermark-beyond-end") {
		hw = f.HighWatermark
	}
	if hw > s.hw {
		s.hw = hw
		out = append(out, Output{Kind: OutHighWatermark, Offset: hw})
	}
	if to := min(f.LogStart, s.hw); to > s.log.Start {
		out = append(out, Output{Kind: OutTrimTo, Offset: to})
	}
	return out
}
