package broker

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
	"github.com/weirlab/weir/broker/transaction"
)

// features are those that clusters of this broker have. Each has one version,
// which is always in force: eligible leader replicas (KIP-966) are always kept.
var features = []protocol.Feature{
	{Name: "eligible.leader.replicas.version", MinVersion: 1, MaxVersion: 1, Level: 1},
	{Name: "transaction.version", MinVersion: 0, MaxVersion: transaction.NewestVersion, Level: transaction.NewestVersion},
}

// updateFeaturesAPI is UpdateFeatures (key 57): change the versions of features
// that are in force (KIP-584). Every node knows the same, so any may answer. As
// no feature has another version to change to, what asks for the present ones is
// done, and all else is refused, as a whole (INVALID_UPDATE_VERSION).
//
//	v1 kinds of upgrades and downgrades, and validation alone, for allowing downgrades
//	v2 no result for each feature
func (b *Broker) updateFeaturesAPI() protocol.API { return api(0, 2, b.updateFeatures) }

func (b *Broker) updateFeatures(_ *protocol.Call, req *kmsg.UpdateFeaturesRequest) kmsg.Response {
	resp := kmsg.NewPtrUpdateFeaturesResponse()
	resp.Results = []kmsg.UpdateFeaturesResponseResult{}
	updates := distinct(req.FeatureUpdates, func(u *kmsg.UpdateFeaturesRequestFeatureUpdate) string { return u.Feature })
	for i := range updates {
		if why := refuseFeatureUpdate(&updates[i], req.Version); why != "" {
			resp.ErrorCode = kerr.InvalidUpdateVersion.Code
			resp.ErrorMessage = kmsg.StringPtr("The update failed for all features since the following feature had an error: " + why)
			resp.Results = []kmsg.UpdateFeaturesResponseResult{}
			return resp
		}
		result := kmsg.NewUpdateFeaturesResponseResult()
		result.Feature = updates[i].Feature
		resp.Results = append(resp.Results, result)
	}
	return resp
}

// refuseFeatureUpdate says why a feature cannot have the version asked for, ""
// if it has it.
func refuseFeatureUpdate(u *kmsg.UpdateFeaturesRequestFeatureUpdate, version int16) string {
	why := func(text string) string {
		return fmt.Sprintf("Invalid update version %d for feature %s. %s", u.MaxVersionLevel, u.Feature, text)
	}
	if version >= 1 && (u.UpgradeType < 1 || u.UpgradeType > 3) {
		return why("The controller does not support the given upgrade type.")
	}
	for _, f := range features {
		switch {
		case f.Name != u.Feature:
		case u.MaxVersionLevel < f.MinVersion || u.MaxVersionLevel > f.MaxVersion:
			return why(fmt.Sprintf("Brokers and controllers only support versions %d-%d", f.MinVersion, f.MaxVersion))
		default:
			return ""
		}
	}
	return why("Brokers and controllers do not support this feature.")
}
