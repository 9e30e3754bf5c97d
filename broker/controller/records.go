package controller

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/controller/quorum"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/storage"
)

// encodeRecords makes one batch of metadata records; offsets are the log's to give.
func encodeRecords(records []metadata.Record, wallMillis int64) []byte {
	out := make([]storage.Record, len(records))
	for i, r := range records {
		out[i] = storage.Record{TimestampMillis: wallMillis, Value: metadata.EncodeRecord(r)}
	}
	return storage.BuildBatch(nil, storage.NoProducer(), out)
}

// encodeLeaderChange makes the control batch that begins a leader's epoch.
func encodeLeaderChange(leader int32, voters []Voter, wallMillis int64) []byte {
	key := kmsg.NewControlRecordKey()
	key.Type = 2 // LeaderChange (KIP-595)
	msg := kmsg.NewLeaderChangeMessage()
	msg.LeaderID = leader
	for _, v := range voters {
		voter := kmsg.NewLeaderChangeMessageVoter()
		voter.VoterID = v.ID
		msg.Voters = append(msg.Voters, voter)
	}
	opts := storage.NoProducer()
	opts.Control = true
	return storage.BuildBatch(nil, opts, []storage.Record{{TimestampMillis: wallMillis, Key: key.AppendTo(nil), Value: msg.AppendTo(nil)}})
}

// replay applies the log's records below upTo to an image, and says how many
// bytes they are.
func replay(log *storage.Log, img *metadata.Image, upTo int64) (_ *metadata.Image, _ metadata.Delta, bytes int64, _ error) {
	ed := img.Edit()
	for next := img.Offset() + 1; next < upTo; {
		chunk, err := log.Read(next, upTo, maxFetchBytes, true)
		if err != nil {
			return nil, metadata.Delta{}, 0, fmt.Errorf("controller: read the metadata log at offset %d: %w", next, err)
		}
		if len(chunk) == 0 {
			return nil, metadata.Delta{}, 0, fmt.Errorf("controller: the metadata log has no batch at offset %d, below its high watermark %d", next, upTo)
		}
		bytes += int64(len(chunk))
		for batch, err := range storage.Batches(chunk) {
			if err != nil {
				return nil, metadata.Delta{}, 0, fmt.Errorf("controller: metadata log at offset %d: %w", next, err)
			}
			if err := applyBatch(ed, batch); err != nil {
				return nil, metadata.Delta{}, 0, err
			}
			next = batch.NextOffset()
		}
	}
	out, delta := ed.Done()
	return out, delta, bytes, nil
}

func applyBatch(ed *metadata.Editor, batch storage.Batch) error {
	if !batch.IsControl() {
		for r, err := range batch.Records() {
			if err != nil {
				return fmt.Errorf("controller: metadata batch at offset %d: %w", batch.BaseOffset(), err)
			}
			record, err := metadata.DecodeRecord(r.Value)
			if err != nil {
				return fmt.Errorf("controller: metadata log at offset %d: %w", r.Offset, err)
			}
			if err := ed.Apply(record, r.Offset); err != nil {
				return err
			}
		}
	}
	ed.SetOffset(batch.LastOffset(), batch.LeaderEpoch())
	return nil
}

// epochsOf are a log's leader epochs in the quorum's terms.
func epochsOf(log *storage.Log) []quorum.EpochStart {
	var out []quorum.EpochStart
	for _, e := range log.Epochs() {
		if e.StartOffset < log.EndOffset() {
			out = append(out, quorum.EpochStart{Epoch: e.Epoch, StartOffset: e.StartOffset})
		}
	}
	return out
}
