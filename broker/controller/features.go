package controller

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
)

// Kinds of changes of a feature's version (Kafka's FeatureUpdate.UpgradeType).
const (
	featureUpgrade       = 1
	featureUnsafeToLower = 3
)

// updateFeatures is UpdateFeatures (KIP-584, KIP-778): all updates are done or
// none is.
func (m *machine) updateFeatures(t *txn, req *kmsg.UpdateFeaturesRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.UpdateFeaturesResponse)
	resp.Results = []kmsg.UpdateFeaturesResponseResult{}
	seen := map[string]bool{}
	var records []metadata.Record
	for i := range req.FeatureUpdates {
		u := &req.FeatureUpdates[i]
		if seen[u.Feature] {
			continue
		}
		seen[u.Feature] = true
		now := t.img().FeatureLevel(u.Feature)
		if why := refuseFeatureUpdate(u, now, req.Version); why != "" {
			resp.ErrorCode = kerr.InvalidUpdateVersion.Code
			resp.ErrorMessage = message("The update failed for all features since the following feature had an error: " + why)
			resp.Results = []kmsg.UpdateFeaturesResponseResult{}
			return resp
		}
		result := kmsg.NewUpdateFeaturesResponseResult()
		result.Feature = u.Feature
		resp.Results = append(resp.Results, result)
		if u.MaxVersionLevel != now {
			records = append(records, &metadata.FeatureLevelRecord{Name: u.Feature, Level: u.MaxVersionLevel})
		}
	}
	if !req.ValidateOnly {
		for _, r := range records {
			t.add(r)
		}
	}
	return resp
}

// refuseFeatureUpdate says, in Kafka's words, why a feature whose version is now
// cannot have the one asked for, "" if it can.
func refuseFeatureUpdate(u *kmsg.UpdateFeaturesRequestFeatureUpdate, now int16, version int16) string {
	why := func(text string) string {
		return fmt.Sprintf("Invalid update version %d for feature %s. %s", u.MaxVersionLevel, u.Feature, text)
	}
	upgrade := u.UpgradeType == featureUpgrade
	if version == 0 {
		upgrade = !u.AllowDowngrade
	} else if u.UpgradeType < featureUpgrade || u.UpgradeType > featureUnsafeToLower {
		return why("The controller does not support the given upgrade type.")
	}
	for _, f := range metadata.Features() {
		switch {
		case f.Name != u.Feature:
		case u.MaxVersionLevel < f.Min || u.MaxVersionLevel > f.Max:
			return why(fmt.Sprintf("Brokers and controllers only support versions %d-%d", f.Min, f.Max))
		case u.MaxVersionLevel < now && upgrade:
			return why("Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade.")
		case u.MaxVersionLevel > now && !upgrade:
			return why("Can't downgrade to a newer version.")
		default:
			return ""
		}
	}
	return why("Brokers and controllers do not support this feature.")
}
