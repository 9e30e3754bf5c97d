package client

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// coordinatorKey is what a coordinator is responsible for: a group or, kind 1, a
// transactional id.
type coordinatorKey struct {
	kind int8
	name string
}

func groupKey(group string) coordinatorKey       { return coordinatorKey{0, group} }
func transactionKey(txnID string) coordinatorKey { return coordinatorKey{1, txnID} }

// String is what an error calls it.
func (k coordinatorKey) String() string {
	if k.kind == 1 {
		return fmt.Sprintf("transactional id %q", k.name)
	}
	return fmt.Sprintf("group %q", k.name)
}

// findCoordinator finds a coordinator, remembering it until forgetCoordinator.
// It retries until timeout.
func (c *Client) findCoordinator(key coordinatorKey, timeout time.Duration) (int32, error) {
	node, known := c.coordinator(key)
	if known {
		return node, nil
	}
	err := c.retry(timeout, func(left time.Duration) error {
		req := kmsg.NewPtrFindCoordinatorRequest()
		req.CoordinatorKey = key.name
		req.CoordinatorType = key.kind
		resp, err := c.Request(anyBroker, req, left)
		if err != nil {
			return err
		}
		found := resp.(*kmsg.FindCoordinatorResponse)
		if err := errorFor(found.ErrorCode, found.ErrorMessage); err != nil {
			return err
		}
		node = found.NodeID
		c.mu.Lock()
		defer c.mu.Unlock()
		c.coordinators[key] = node
		if _, known := c.meta.brokers[node]; !known {
			c.meta.brokers[node] = hostPort(found.Host, found.Port)
		}
		return nil
	})
	if err != nil {
		return -1, fmt.Errorf("finding the coordinator of %s: %w", key, err)
	}
	return node, nil
}

// AwaitTransactions waits until a transactional id has a coordinator, which makes
// the topic of transactions if there is none yet.
func (c *Client) AwaitTransactions(txnID string, timeout time.Duration) error {
	_, err := c.findCoordinator(transactionKey(txnID), timeout)
	return err
}

// coordinator is the coordinator found last and not forgotten.
func (c *Client) coordinator(key coordinatorKey) (int32, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	node, known := c.coordinators[key]
	return node, known
}

// forgetCoordinator has the coordinator looked up again, unless somebody has
// done so already.
func (c *Client) forgetCoordinator(key coordinatorKey, node int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.coordinators[key] == node {
		delete(c.coordinators, key)
	}
}

// coordinatorMoved says that a coordinator is another broker, or not there, so that it
// must be looked up again.
func coordinatorMoved(code int16) bool {
	return code == kerr.NotCoordinator.Code || code == kerr.CoordinatorNotAvailable.Code
}

// features are those that the cluster has finalized (KIP-584), as far as the
// client uses them.
type features struct {
	epoch              int64 // of the finalized features; the newest counts
	transactionVersion int16
}

// learnFeatures takes over the finalized features that a broker tells of, unless another
// has told of newer ones.
func (c *Client) learnFeatures(resp *kmsg.ApiVersionsResponse) {
	if resp.FinalizedFeaturesEpoch < 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if resp.FinalizedFeaturesEpoch < c.features.epoch {
		return
	}
	c.features = features{epoch: resp.FinalizedFeaturesEpoch}
	for i := range resp.FinalizedFeatures {
		if f := &resp.FinalizedFeatures[i]; f.Name == "transaction.version" {
			c.features.transactionVersion = f.MaxVersionLevel
		}
	}
}

// transactionVersion is the finalized level of the feature transaction.version
// as far as it is known; from 2 on partitions join a transaction by being
// written to, and each transaction has a producer epoch of its own (KIP-890).
func (c *Client) transactionVersion() int16 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.features.transactionVersion
}
