package protocol

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Envelope wraps a request for another broker to answer (KIP-590). Its version
// must be set.
func Envelope(req kmsg.Request, clientID string) *kmsg.EnvelopeRequest {
	formatter := kmsg.NewRequestFormatter(kmsg.FormatterClientID(clientID))
	envelope := kmsg.NewPtrEnvelopeRequest()
	envelope.RequestData = formatter.AppendRequest(nil, req, 0)[4:] // without the length, which the field has
	envelope.ClientHostAddress = []byte{}
	return envelope
}

// OpenRequest reads the request in an envelope, if its kind is accepted and the
// table has its version.
func OpenRequest(table *Table, envelope *kmsg.EnvelopeRequest, accept func(key int16) bool) (req kmsg.Request, correlationID int32, err error) {
	h, body, err := ParseHeader(envelope.RequestData)
	if err != nil {
		return nil, 0, err
	}
	api, ok := table.Lookup(h.Key)
	if !ok || !accept(h.Key) || h.Version < api.MinVersion || h.Version > api.MaxVersion {
		return nil, 0, fmt.Errorf("protocol: %s v%d does not belong in an envelope", kmsg.NameForKey(h.Key), h.Version)
	}
	req, err = ParseRequest(h, body)
	return req, h.CorrelationID, err
}

// OpenEnvelope reads the answer to req, which was sent in an envelope.
func OpenEnvelope(req kmsg.Request, envelope *kmsg.EnvelopeResponse) (kmsg.Response, error) {
	return parseResponse(req, 0, envelope.ResponseData)
}
