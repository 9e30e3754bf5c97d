package broker

import (
	"github.com/weirlab/weir/broker/config"
	"github.com/weirlab/weir/broker/metadata"
)

// Settings are the broker's settings as they count now: what it started with,
// and over that what was set in the cluster's metadata. Settings of topics come
// to the parts of the broker with the metadata itself.
func (b *Broker) Settings() config.Broker { return *b.settings.Load() }

// reconfigure makes the broker follow settings that changed at run time. It is
// called for the first image too, which after a restart holds the changes of
// earlier lives.
func (b *Broker) reconfigure(image *metadata.Image) {
	now := b.static.Layers(image, "").BrokerView()
	before := b.settings.Swap(&now)
	if now.MaxConnections != before.MaxConnections || now.MaxConnectionsPerIP != before.MaxConnectionsPerIP {
		for _, s := range b.servers {
			s.Limit(now.MaxConnections, now.MaxConnectionsPerIP)
		}
	}
}
