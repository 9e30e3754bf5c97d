package broker

import (
	"github.com/weirlab/weir/broker/config"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/replication"
)

// Settings are the broker's settings as they count now: what it started with,
// and over that what was set in the cluster's metadata. Settings of topics come
// to the parts of the broker with the metadata itself.
func (b *Broker) Settings() config.Broker { return *b.settings.Load() }

// cleanerConfig says how logs are compacted, at this moment.
func (b *Broker) cleanerConfig() replication.CleanerConfig {
	s := b.Settings()
	cfg := replication.CleanerConfig{
		Threads: s.CleanerThreads, Backoff: s.CleanerBackoff, BufferBytes: s.CleanerBufferBytes, LoadPercent: int(s.CleanerLoadFactor / 10_000),
		BytesPerSecond: int64(s.CleanerBytesPerSecond), Coordinated: s.CleanerCoordinated,
	}
	if !s.CleanerEnabled {
		cfg.Threads = 0
	}
	return cfg
}

// throttledRates says how fast throttled partitions are replicated, at this moment.
func (b *Broker) throttledRates() replication.ThrottledRates {
	s := b.settings.Load()
	return replication.ThrottledRates{Leader: s.LeaderThrottledRate, Follower: s.FollowerThrottledRate, Directories: s.AlterLogDirsRate}
}

// reconfigure makes the broker follow settings that changed at run time. It is
// called for the first image too, which after a restart holds the changes of
// earlier lives.
func (b *Broker) reconfigure(image *metadata.Image) {
	now := b.static.Layers(image, "").BrokerView()
	before := b.settings.Swap(&now)
	b.groups.Configure(now)
	if now.MaxConnections != before.MaxConnections || now.MaxConnectionsPerIP != before.MaxConnectionsPerIP {
		for _, s := range b.servers {
			s.Limit(now.MaxConnections, now.MaxConnectionsPerIP)
		}
	}
}
