package controller

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/weirlab/weir/broker/controller/quorum"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
)

// quorumStateFile holds a voter's hard state, in Kafka's JSON (KIP-595).
const quorumStateFile = "quorum-state"

type quorumState struct {
	LeaderID    int32 `json:"leaderId"`
	LeaderEpoch int32 `json:"leaderEpoch"`
	VotedID     int32 `json:"votedId"`
	DataVersion int   `json:"data_version"`
}

func writeQuorumState(fsys env.FS, dir string, h quorum.HardState) error {
	data, err := json.Marshal(quorumState{h.Leader, h.Epoch, h.VotedFor, 0})
	if err != nil {
		return err
	}
	return storage.WriteFile(fsys, path.Join(dir, quorumStateFile), append(data, '\n'))
}

// readQuorumState reads the file; without one the node is new. A damaged file
// is an error: a voter that forgot its vote could vote twice.
func readQuorumState(fsys env.FS, dir string) (quorum.HardState, error) {
	name := path.Join(dir, quorumStateFile)
	data, err := storage.ReadFile(fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return quorum.HardState{Leader: quorum.None, VotedFor: quorum.None}, nil
	}
	if err != nil {
		return quorum.HardState{}, fmt.Errorf("controller: the vote is not readable, so this node must not vote; remove its metadata directory to let it join anew: %w", err)
	}
	var s quorumState
	if err := json.Unmarshal(data, &s); err != nil {
		return quorum.HardState{}, fmt.Errorf("controller: %s: %w", name, err)
	}
	if s.LeaderEpoch < 0 || s.LeaderEpoch > quorum.MaxEpoch {
		return quorum.HardState{}, fmt.Errorf("controller: %s holds epoch %d, which no quorum can have reached; remove this node's metadata directory to let it join anew", name, s.LeaderEpoch)
	}
	return quorum.HardState{Epoch: s.LeaderEpoch, Leader: s.LeaderID, VotedFor: s.VotedID}, nil
}
