package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
)

// updateFeaturesAPI is UpdateFeatures (key 57): change the versions of features
// that are in force (KIP-584).
//
//	v1 kinds of upgrades and downgrades, and validation alone, for allowing downgrades
//	v2 no result for each feature
func (b *Broker) updateFeaturesAPI() protocol.API {
	return forwarded[*kmsg.UpdateFeaturesRequest](b, 0, 2)
}

// features are those of the cluster, as ApiVersions tells them, and the epoch as
// of which: as in Kafka the offset of the metadata.
func (b *Broker) features() ([]protocol.Feature, int64) {
	image := b.controller.Image()
	var list []protocol.Feature
	for _, f := range metadata.Features() {
		list = append(list, protocol.Feature{Name: f.Name, MinVersion: f.Min, MaxVersion: f.Max, Level: image.FeatureLevel(f.Name)})
	}
	return list, max(image.Offset(), 0)
}
