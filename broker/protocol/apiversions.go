package protocol

import (
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
func (t *Table) answerAPIVersions(h Header, body []byte, session *Session) (kmsg.Response, error) {
	api, ok := t.apis[keyAPIVersions]
	if !ok || h.Version < 0 || h.Version > api.MaxVersion {
		resp := t.apiVersions(0, session.Listener)
		resp.ErrorCode = kerr.UnsupportedVersion.Code
		return resp, nil
	}
	parsed, err := ParseRequest(h, body)
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
		session.SoftwareName, session.SoftwareVersion = req.ClientSoftwareName, req.ClientSoftwareVersion
	}
	return t.apiVersions(h.Version, session.Listener), nil
}

// apiVersions is the ApiVersions answer in the given version.
func (t *Table) apiVersions(version int16, listener ListenerKinds) *kmsg.ApiVersionsResponse {
	resp := kmsg.NewPtrApiVersionsResponse()
	resp.SetVersion(version)
	for _, key := range t.keys {
		a := t.apis[key]
		if a.Listeners&listener == 0 {
			continue
		}
		k := kmsg.NewApiVersionsResponseApiKey()
		k.ApiKey, k.MinVersion, k.MaxVersion = a.Key, a.MinVersion, a.MaxVersion
		if a.AdvertisedMin != nil {
			k.MinVersion = *a.AdvertisedMin
		}
		resp.ApiKeys = append(resp.ApiKeys, k)
	}
	return resp
}
