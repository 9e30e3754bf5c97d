package client

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// OffsetCommit is one partition's offset to commit.
type OffsetCommit struct {
	TopicPartition
	Offset      int64 // of the next record to read
	LeaderEpoch int32 // of the last record read, -1 if not known
	Metadata    string
}

// CommitResult is what became of one attempt to commit.
type CommitResult struct {
	// Outcome is that of all partitions together: ok if all are, fail if none
	// can have been committed, else info.
	Outcome Outcome
	Err     error // of the first partition that was not committed
	Broker  int32 // that was asked, -1 if none was
	// Generation of the group as whose member a consumer has committed, 0 if as
	// none.
	Generation int32
}

// member is who commits: the zero value with generation -1 is nobody.
type member struct {
	id         string
	instance   *string
	generation int32
}

var nobody = member{generation: -1}

// CommitOffsets makes at most one attempt on the wire to commit offsets in a
// group that has no members. There is no second one after an unknown outcome:
// it could undo what others commit in between, and so make of one operation
// two. Finding the coordinator beforehand is retried until timeout.
func (c *Client) CommitOffsets(group string, offsets []OffsetCommit, timeout time.Duration) CommitResult {
	return c.commit(group, nobody, offsets, timeout)
}

// CommitAs is CommitOffsets as a member of a group, who need not be one any more.
func (c *Client) CommitAs(who GroupMetadata, offsets []OffsetCommit, timeout time.Duration) CommitResult {
	result := c.commit(who.Group, member{who.MemberID, who.InstanceID, who.Generation}, offsets, timeout)
	result.Generation = max(0, who.Generation)
	return result
}

func (c *Client) commit(group string, who member, offsets []OffsetCommit, timeout time.Duration) CommitResult {
	node, err := c.findCoordinator(groupKey(group), timeout)
	if err != nil {
		return CommitResult{Outcome: OutcomeFail, Err: fmt.Errorf("committing offsets of group %q: %w", group, err), Broker: -1}
	}
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group = group
	req.Generation = who.generation
	req.MemberID = who.id
	req.InstanceID = who.instance
	offsets = slices.SortedFunc(slices.Values(offsets), func(a, b OffsetCommit) int { return a.Compare(b.TopicPartition) })
	for _, o := range offsets {
		if n := len(req.Topics); n == 0 || req.Topics[n-1].Topic != o.Topic {
			topic := kmsg.NewOffsetCommitRequestTopic()
			topic.Topic = o.Topic
			req.Topics = append(req.Topics, topic)
		}
		part := kmsg.NewOffsetCommitRequestTopicPartition()
		part.Partition = o.Partition
		part.Offset = o.Offset
		part.LeaderEpoch = o.LeaderEpoch
		part.Metadata = kmsg.StringPtr(o.Metadata)
		topic := &req.Topics[len(req.Topics)-1]
		topic.Partitions = append(topic.Partitions, part)
	}
	resp, err := c.once(node, forGroup, req, c.cfg.RequestTimeout)
	if err != nil {
		c.forgetCoordinator(groupKey(group), node)
		outcome := OutcomeInfo
		if errors.Is(err, errNotSent) {
			outcome = OutcomeFail
		}
		return CommitResult{Outcome: outcome, Err: err, Broker: node}
	}
	result := commitResult(resp.(*kmsg.OffsetCommitResponse), len(offsets))
	result.Broker = node
	if errors.Is(result.Err, kerr.NotCoordinator) || errors.Is(result.Err, kerr.CoordinatorNotAvailable) {
		c.forgetCoordinator(groupKey(group), node)
	}
	return result
}

// commitResult sums up the partitions of a response to a commit of so many.
func commitResult(resp *kmsg.OffsetCommitResponse, asked int) CommitResult {
	var seen [4]int // by Outcome
	var err error
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			seen[CommitOutcome(p.ErrorCode)]++
			if p.ErrorCode != 0 && err == nil {
				err = errorFor(p.ErrorCode, nil)
			}
		}
	}
	switch {
	case seen[OutcomeOK] == asked:
		return CommitResult{Outcome: OutcomeOK}
	case seen[OutcomeFail] == asked:
		return CommitResult{Outcome: OutcomeFail, Err: err}
	case err == nil:
		err = fmt.Errorf("OffsetCommit response answers for %d of %d partitions: %w", seen[OutcomeOK], asked, kerr.UnknownServerError)
	}
	return CommitResult{Outcome: OutcomeInfo, Err: err}
}

// FetchOffsets reads the offsets committed in a group, in the order of parts,
// retrying until timeout; -1 where there is none. It returns the broker that
// answered. Offsets within transactions that are not complete do not count.
func (c *Client) FetchOffsets(group string, parts []TopicPartition, timeout time.Duration) ([]int64, int32, error) {
	return c.fetchOffsets(group, parts, false, timeout)
}

// FetchStableOffsets is FetchOffsets that waits until no transaction is about to
// change them (KIP-447): what was committed in a transaction whose commit has been
// acknowledged is seen.
func (c *Client) FetchStableOffsets(group string, parts []TopicPartition, timeout time.Duration) ([]int64, int32, error) {
	return c.fetchOffsets(group, parts, true, timeout)
}

func (c *Client) fetchOffsets(group string, parts []TopicPartition, stable bool, timeout time.Duration) ([]int64, int32, error) {
	committed, node, err := c.fetchCommitted(group, parts, stable, timeout)
	if err != nil {
		return nil, node, err
	}
	offsets := make([]int64, len(committed))
	for i := range committed {
		offsets[i] = committed[i].Offset
	}
	return offsets, node, nil
}

func (c *Client) fetchCommitted(group string, parts []TopicPartition, stable bool, timeout time.Duration) (committed []OffsetCommit, node int32, err error) {
	end := c.e.Now() + timeout
	node = -1
	err = c.retry(timeout, func(left time.Duration) error {
		var err error
		if node, err = c.findCoordinator(groupKey(group), left); err != nil {
			return err
		}
		committed, err = c.fetchCommittedOnce(node, group, parts, stable, max(min(end-c.e.Now(), c.cfg.RequestTimeout), time.Millisecond))
		if err != nil {
			c.forgetCoordinator(groupKey(group), node)
		}
		return err
	})
	if err != nil {
		return nil, node, fmt.Errorf("fetching offsets of group %q: %w", group, err)
	}
	return committed, node, nil
}

func (c *Client) fetchCommittedOnce(node int32, group string, parts []TopicPartition, stable bool, timeout time.Duration) ([]OffsetCommit, error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group, req.RequireStable = group, stable
	sorted := slices.SortedFunc(slices.Values(parts), TopicPartition.Compare)
	for _, tp := range sorted {
		if n := len(req.Topics); n == 0 || req.Topics[n-1].Topic != tp.Topic {
			topic := kmsg.NewOffsetFetchRequestTopic()
			topic.Topic = tp.Topic
			req.Topics = append(req.Topics, topic)
		}
		topic := &req.Topics[len(req.Topics)-1]
		topic.Partitions = append(topic.Partitions, tp.Partition)
	}
	resp, err := c.once(node, forGroup, req, timeout)
	if err != nil {
		return nil, err
	}
	fetched := resp.(*kmsg.OffsetFetchResponse)
	absent := int64(-2) // not in the response
	switch fetched.ErrorCode {
	case 0:
	case kerr.GroupIDNotFound.Code:
		absent = -1 // some brokers say so of a group that never committed
	default:
		return nil, errorFor(fetched.ErrorCode, nil)
	}
	committed := make([]OffsetCommit, len(parts))
	for i, tp := range parts {
		committed[i] = OffsetCommit{TopicPartition: tp, Offset: absent, LeaderEpoch: -1}
	}
	for _, t := range fetched.Topics {
		for _, p := range t.Partitions {
			if err := errorFor(p.ErrorCode, nil); err != nil {
				return nil, err
			}
			i := slices.Index(parts, TopicPartition{t.Topic, p.Partition})
			if i < 0 {
				continue
			}
			committed[i].Offset = p.Offset
			committed[i].LeaderEpoch = p.LeaderEpoch
			if p.Metadata != nil {
				committed[i].Metadata = *p.Metadata
			}
		}
	}
	for _, got := range committed {
		if got.Offset == -2 {
			return nil, fmt.Errorf("OffsetFetch response leaves out %s-%d: %w", got.Topic, got.Partition, kerr.UnknownServerError)
		}
	}
	return committed, nil
}
