package protocol

import (
	"fmt"
	"regexp"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const keyAPIVersions = 18

// softwareName is what a client may call itself and its version (KIP-511).
var softwareName = regexp.MustCompile(`^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$`)

// answerAPIVersions answers an ApiVersions request from the table. It answers
// versions it does not know too, with the oldest body: the client has no other
// way to learn which one it should have sent (KIP-511).
func (t *Table) answerAPIVersions(h Header, body []byte, call *Call) (kmsg.Response, error) {
	api, ok := t.apis[keyAPIVersions]
	if !ok || h.Version < 0 || h.Version > api.MaxVersion {
		resp := kmsg.NewPtrApiVersionsResponse()
		resp.ErrorCode = kerr.UnsupportedVersion.Code
		if ok {
			resp.ApiKeys = append(resp.ApiKeys, advertised(api))
		}
		return resp, nil
	}
	m, err := splitMessage(h, body, api.schema)
	if err == nil && m.bytes > freeBytes {
		err = fmt.Errorf("protocol: ApiVersions v%d of %d bytes decodes to as many as %d", h.Version, len(body), m.bytes)
	}
	if err != nil {
		return nil, err
	}
	parsed, err := m.decode()
	if err != nil {
		return nil, err
	}
	req := parsed.(*kmsg.ApiVersionsRequest)
	if h.Version >= 3 {
		if !softwareName.MatchString(req.ClientSoftwareName) || !softwareName.MatchString(req.ClientSoftwareVersion) {
			resp := kmsg.NewPtrApiVersionsResponse()
			resp.SetVersion(h.Version)
			resp.ErrorCode = kerr.InvalidRequest.Code
			return resp, nil
		}
		call.SoftwareName, call.SoftwareVersion = req.ClientSoftwareName, req.ClientSoftwareVersion
	}
	if t.versions != nil {
		call.Request, call.ClientID, call.hangUp = req, h.ClientID, nil
		resp := t.versions(call)
		return resp, call.hangUp
	}
	return t.apiVersions(h.Version, call.Listener), nil
}

// apiVersions is the ApiVersions answer in the given version.
func (t *Table) apiVersions(version int16, listener ListenerKinds) *kmsg.ApiVersionsResponse {
	resp := kmsg.NewPtrApiVersionsResponse()
	resp.SetVersion(version)
	var features []Feature
	var epoch int64
	if t.features != nil {
		features, epoch = t.features()
	}
	for _, f := range features {
		if f.MinVersion == 0 && version < 4 {
			continue // older Java clients cannot read it
		}
		supported := kmsg.NewApiVersionsResponseSupportedFeature()
		supported.Name, supported.MinVersion, supported.MaxVersion = f.Name, f.MinVersion, f.MaxVersion
		resp.SupportedFeatures = append(resp.SupportedFeatures, supported)
	}
	for _, f := range features {
		if f.Level > 0 {
			finalized := kmsg.NewApiVersionsResponseFinalizedFeature()
			finalized.Name, finalized.MinVersionLevel, finalized.MaxVersionLevel = f.Name, f.Level, f.Level
			resp.FinalizedFeatures = append(resp.FinalizedFeatures, finalized)
			resp.FinalizedFeaturesEpoch = epoch
		}
	}
	for _, key := range t.keys {
		a := t.apis[key]
		if a.Listeners&listener == 0 {
			continue
		}
		resp.ApiKeys = append(resp.ApiKeys, advertised(a))
	}
	return resp
}

func advertised(a API) kmsg.ApiVersionsResponseApiKey {
	k := kmsg.NewApiVersionsResponseApiKey()
	k.ApiKey, k.MinVersion, k.MaxVersion = a.Key, a.MinVersion, a.MaxVersion
	if a.AdvertisedMin != nil {
		k.MinVersion = *a.AdvertisedMin
	}
	return k
}
