package controller

import (
	"slices"

	"github.com/weirlab/weir/broker/controller/quorum"
	"github.com/weirlab/weir/broker/metadata"
)

// tellLab tells a laboratory what the quorum's step function made of an input.
func (l *loop) tellLab(before quorum.Role, in quorum.Input, outputs []quorum.Output) {
	lab := l.n.lab
	if lab == nil {
		return
	}
	what, answer := inputName(in)
	transition := before.String()
	if after := l.core.Role(); after != before {
		transition += " to " + after.String()
	}
	lab.Reached("quorum "+transition, what, answer)
	for _, out := range outputs {
		lab.Reached("quorum output", transition, outputName(out))
	}
}

// inputName says what an input is and, of an answer, how it turned out.
func inputName(in quorum.Input) (what, answer string) {
	switch in := in.(type) {
	case quorum.Tick:
		return "tick", ""
	case quorum.Request:
		return in.Msg.Kind.String(), ""
	case quorum.Response:
		switch m := &in.Msg; {
		case m.Err != 0:
			return m.Kind.String(), "error"
		case m.Diverging:
			return m.Kind.String(), "diverging"
		case m.Granted:
			return m.Kind.String(), "granted"
		case m.Snapshot != (quorum.SnapshotID{}):
			return m.Kind.String(), "snapshot"
		case len(m.Batches) > 0:
			return m.Kind.String(), "records"
		}
		return in.Msg.Kind.String(), ""
	case quorum.SendFailed:
		return in.Msg.Kind.String(), "not sent"
	case quorum.Propose:
		return "propose", ""
	case quorum.Flushed:
		return "flushed", ""
	case quorum.Snapshotted:
		return "snapshotted", ""
	case quorum.Installed:
		return "installed", ""
	case quorum.Resign:
		return "resign", ""
	}
	return "other", ""
}

func outputName(out quorum.Output) string {
	switch out := out.(type) {
	case quorum.Persist:
		return "persist"
	case quorum.Send:
		return "send " + out.Msg.Kind.String()
	case quorum.Reply:
		return "reply " + out.Msg.Kind.String()
	case quorum.Append:
		return "append"
	case quorum.Truncate:
		return "truncate"
	case quorum.Commit:
		return "commit"
	case quorum.StoreSnapshot:
		return "store snapshot"
	case quorum.InstallSnapshot:
		return "install snapshot"
	case quorum.DropBefore:
		return "drop before"
	case quorum.RoleChange:
		return "role change"
	case quorum.Contradiction:
		return "contradiction"
	case quorum.Violation:
		return "violation"
	}
	return "other"
}

// tellPartitions tells a laboratory what the controller decided about partitions.
func (l *loop) tellPartitions(before, after *metadata.Image, delta metadata.Delta) {
	lab := l.n.lab
	if lab == nil {
		return
	}
	for _, tp := range delta.Partitions {
		is := after.Partition(tp)
		if is == nil {
			continue
		}
		was := before.Partition(tp)
		if was == nil || was.TopicID != is.TopicID {
			lab.Reached("partition", "created", "")
			continue
		}
		lab.Reached("partition", leaderChange(was, is), membersChange(was, is))
	}
}

func leaderChange(was, is *metadata.Partition) string {
	switch {
	case was.Leader == is.Leader && was.LeaderEpoch == is.LeaderEpoch:
		return "leader stays"
	case was.Leader == is.Leader:
		return "leader again"
	case is.Leader == metadata.NoLeader:
		return "leader lost"
	case slices.Contains(was.ISR, is.Leader):
		return "leader from ISR"
	case slices.Contains(was.ELR, is.Leader):
		return "leader from ELR"
	case slices.Contains(was.LastKnownELR, is.Leader):
		return "last known leader"
	}
	return "unclean leader"
}

func membersChange(was, is *metadata.Partition) string {
	isr := [...]string{"ISR shrinks", "ISR stays", "ISR grows"}[1+sign(len(is.ISR)-len(was.ISR))]
	elr := [...]string{"ELR shrinks", "ELR stays", "ELR grows"}[1+sign(len(is.ELR)-len(was.ELR))]
	return isr + ", " + elr
}

func sign(n int) int { return min(1, max(-1, n)) }
